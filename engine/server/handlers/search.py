"""``search`` and ``batch``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.config import SearchOptions
from engine.index.folder import IndexFolder
from engine.search.batch import search_batch
from engine.search.context import SearchContext
from engine.search.hits import Hit
from engine.search.output import check_output
from engine.search.pipeline import Searcher
from engine.search.rasters import check_rasters
from engine.search.report import crs_name, hits_json, report
from engine.search.segmenters import check_segmenter
from engine.search.write import SUFFIXES, write_geopackage
from engine.server.fitting import fitting
from engine.server.params import BatchParams, KeywordParams, SearchParams, checked_options
from engine.server.work import Work
from engine.text.contract import KeywordExtractor, check_query
from engine.text.extractors import make_extractor
from engine.types import Json, Progress


def search(given: Json, work: Work) -> Json:
    """The best places for a query, told while they are found, written at the end.

    Raises:
        EngineError: see :meth:`engine.search.pipeline.Searcher.search`; OutputError where ``out`` cannot be written.
    """
    params = SearchParams.model_validate(given)
    check_query(params.query)
    options = checked_options(SearchOptions, params.options)
    out = Path(params.out)
    searcher = _searcher(params, options, out, work)
    partial = _Partial(work)
    result = searcher.search(
        params.query,
        params.rasters,
        options,
        work.progress,
        work.cancelled,
        on_context=partial.context,
        on_shortlist=partial.shortlist,
        on_hit=partial.hit,
    )
    work.progress(Progress("write", 0, 1, out.name))
    found = report(result, geometry=True) | {"out": str(out)}
    work.check()  # the last moment: what is written stays
    write_geopackage([result], out, params.overwrite)
    work.progress(Progress("write", 1, 1, out.name))
    return fitting(found)


def batch(given: Json, work: Work) -> Json:
    """Several queries on the same rasters, in one GeoPackage with a table ``summary``.

    Raises:
        EngineError: as :func:`search`.
    """
    params = BatchParams.model_validate(given)
    options = checked_options(SearchOptions, params.options)
    out = Path(params.out)
    searcher = _searcher(params, options, out, work)
    results = search_batch(
        searcher, params.queries, params.rasters, options, out, params.overwrite, work.progress, work.cancelled
    )
    return fitting({"out": str(out), "results": [report(result) for result in results]})


class _Partial:
    """Tells of hits as they are found."""

    def __init__(self, work: Work) -> None:
        self._tell = work.tell
        self._context: SearchContext | None = None

    def context(self, context: SearchContext) -> None:
        self._context = context

    def shortlist(self, hits: Sequence[Hit]) -> None:
        crs = crs_name(self._context.crs) if self._context else None
        self._tell("shortlist", {"crs": crs, "hits": self._json(hits)})

    def hit(self, hit: Hit) -> None:
        self._tell("hit", {"hit": self._json([hit])[0]})

    def _json(self, hits: Sequence[Hit]) -> list[Json]:
        if self._context is None:
            raise AssertionError("a search tells of its context before its hits")
        return hits_json(hits, self._context)


def _searcher(params: SearchParams | BatchParams, options: SearchOptions, out: Path, work: Work) -> Searcher:
    """All that can be wrong is told before a model is loaded or fetched."""
    check_output(out, params.overwrite, SUFFIXES)
    extractor = _extractor(params.keywords, work)
    check_rasters(params.rasters, options)
    weights = Path(params.segmenter_weights) if params.segmenter_weights else None
    check_segmenter(options.segmenter, weights)
    model = work.models.model(params.model, params.device, work.progress)
    segmenter = work.models.segmenter(options.segmenter, model, weights) if options.refined else None
    return Searcher(model, extractor, segmenter, IndexFolder(work.cache))


def _extractor(keywords: KeywordParams | None, work: Work) -> KeywordExtractor:
    chosen = keywords or KeywordParams()
    if chosen.extractor == "local":  # an address may stay filled in where it is not used
        return make_extractor()
    return make_extractor("llm", chosen.llm_url, chosen.llm_model, work.cache, chosen.llm_api_key)
