"""A search: index, rank, suppress, outline, fuse, rank again (docs/architecture.md, "The way of a query")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from engine.config import SearchOptions
from engine.index.folder import IndexFolder
from engine.models.contract import RetrievalModel
from engine.raster.georeference import parse_crs
from engine.search.answer import Answerer
from engine.search.context import SearchContext
from engine.search.hits import Hit, SearchResult
from engine.search.interruptible import interruptible
from engine.search.listeners import Listeners, nothing
from engine.search.modes import choose_mode
from engine.search.places import common_crs
from engine.search.rasters import index_selected, open_sources, select_tiles
from engine.segment.contract import Segmenter
from engine.text.contract import KeywordExtractor
from engine.types import CancelCheck, ProgressSink, no_progress


class Searcher:
    """Answers queries with one model.

    Args:
        model: embeds tiles and words.
        extractor: finds the keywords of a query.
        segmenter: outlines keywords; None: hits are not refined.
        folder: where indexes are kept.
    """

    def __init__(
        self,
        model: RetrievalModel,
        extractor: KeywordExtractor,
        segmenter: Segmenter | None,
        folder: IndexFolder,
    ) -> None:
        self.model = model
        self.extractor = extractor
        self.segmenter = segmenter
        self.folder = folder

    def search(
        self,
        query: str,
        rasters: Sequence[str | Path],
        options: SearchOptions,
        progress: ProgressSink = no_progress,
        cancel: CancelCheck | None = None,
        on_shortlist: Callable[[Sequence[Hit]], None] = nothing,
        on_hit: Callable[[Hit], None] = nothing,
        on_context: Callable[[SearchContext], None] = nothing,
    ) -> SearchResult:
        """The best places for a query. All callbacks are called in the thread of the search.

        Args:
            rasters: paths or URIs, at least one.
            progress: receives the stages ``"index"`` (tiles), ``"rank"`` (rasters) and ``"refine"`` (hits).
            cancel: asked between batches of tiles, between hits, and between the layers of the networks that look at
                them, so that a slow segmenter ends within a tile too.
            on_shortlist: receives all hits before any is refined, best first, with their percentiles.
            on_hit: receives each hit as it is refined, still with its rank of the shortlist.
            on_context: receives, once and before the shortlist, what places hits on the map: with it
                :func:`engine.search.report.hits_json` turns what the other callbacks receive into JSON.

        Raises:
            UsageError: an empty query, an option that does not fit the rasters or the model.
            RasterError, IndexStoreError, ModelError: see :func:`engine.index.build.build_index`.
            Cancelled: when ``cancel`` or ``progress`` says so; finished tiles and outlines are kept in the index, and
                what the callbacks have received stays valid.
        """
        listeners = Listeners(progress, cancel, on_context, on_shortlist, on_hit)
        return self.search_all([query], rasters, options, listeners)[0]

    def search_all(
        self,
        queries: Sequence[str],
        rasters: Sequence[str | Path],
        options: SearchOptions,
        listeners: Listeners | None = None,
    ) -> list[SearchResult]:
        """One result a query, in their order; each raster is opened and indexed once. Rasters that the area does not
        meet are in none of the results.

        Keywords of all queries are found before any raster is read. Hits of one query come from all rasters, ranked
        together.

        Raises:
            As :meth:`search`.
        """
        listeners = listeners or Listeners()
        keywords = [self.extractor.extract(query) for query in queries]
        mode = choose_mode(options.score, self.model)
        chosen = parse_crs(options.crs) if options.crs else None
        with open_sources(rasters) as sources:
            selections = select_tiles(sources, options)
            searched = [selection.source for selection in selections]
            context = SearchContext.of(searched, common_crs(searched, chosen))
            indexed = index_selected(selections, self.model, options, self.folder, listeners.progress, listeners.cancel)
            answerer = Answerer(self.model, self.segmenter, mode, indexed, context, options, listeners)
            listeners.on_context(context)
            with interruptible(listeners.cancel):
                return [
                    answerer.answer(query, words, f"{query} ({n} of {len(queries)})" if len(queries) > 1 else "")
                    for n, (query, words) in enumerate(zip(queries, keywords, strict=True), start=1)
                ]
