"""The answer to one query on rasters that are open and indexed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

from engine.config import SearchOptions
from engine.models.contract import RetrievalModel, ScoreMode
from engine.search.context import SearchContext
from engine.search.hits import Hit, RasterOutcome, SearchResult, Timings
from engine.search.listeners import Listeners
from engine.search.places import Placement, common_crs, tile_outline
from engine.search.query import QueryVectors
from engine.search.rank import Ranking
from engine.search.rasters import SearchedRaster, count_tiles
from engine.search.refine import Refiner
from engine.search.regions import RegionSource
from engine.search.suppress import Placer, suppress
from engine.segment.contract import Segmenter
from engine.text.contract import Keywords
from engine.types import Progress


class Answerer:
    """Answers queries, one after the other.

    Args:
        mode: how what is outlined enters the score of refined hits.
        rasters: with their indexes, in the order of ``context``.
    """

    def __init__(
        self,
        model: RetrievalModel,
        segmenter: Segmenter | None,
        mode: ScoreMode,
        rasters: Sequence[SearchedRaster],
        context: SearchContext,
        options: SearchOptions,
        listeners: Listeners,
    ) -> None:
        self._model, self._segmenter, self._mode = model, segmenter, mode
        self._rasters, self._context = rasters, context
        self._options, self._listeners = options, listeners
        self._placer = _placer(rasters)
        self._answered = 0

    def answer(self, query: str, keywords: Keywords, detail: str = "") -> SearchResult:
        """The result of one query; the time for the indexes counts with the first.

        Args:
            detail: goes with the progress.

        Raises:
            IndexStoreError: an index cannot be read.
            RasterError: a raster is damaged.
            Cancelled: when a listener says so.
        """
        first = self._answered == 0
        self._answered += 1
        spent = [raster.seconds if first else 0.0 for raster in self._rasters]
        timings = Timings(index=sum(spent))
        start = time.perf_counter()
        vectors = QueryVectors.of(keywords, self._model)
        self._tell("rank", 0, len(self._rasters), detail)
        ranking = Ranking(self._rasters, vectors, self._listeners.cancel)
        shortlist = self._shortlist(ranking)
        self._tell("rank", len(self._rasters), len(self._rasters), detail)
        timings.rank, start = time.perf_counter() - start, time.perf_counter()
        self._listeners.on_shortlist(shortlist)
        hits = self._refine(shortlist, vectors, keywords, detail, spent)
        timings.refine = time.perf_counter() - start
        return SearchResult(
            query=query,
            keywords=keywords,
            model=self._model.identity.model_id,
            hits=hits,
            crs=self._context.crs,
            rasters=self._context.rasters,
            counts=count_tiles(self._rasters, first),
            timings=timings,
            mode=self._mode,
            outcomes=tuple(self._outcomes(ranking, spent)),
            words_read_as=self._words_read_as(keywords),
        )

    def _words_read_as(self, keywords: Keywords) -> dict[str, tuple[str, ...]]:
        texts = (keywords.positive_text, *keywords.negatives)
        return {word: known for text in texts for word, known in self._model.words_read_as(text).items()}

    def _shortlist(self, ranking: Ranking) -> list[Hit]:
        least = self._options.min_score
        candidates = ranking if least is None else takewhile(lambda candidate: candidate.score >= least, ranking)
        kept = suppress(candidates, self._options.shortlist, self._options.nms, self._placer)
        return [
            Hit(n, found.raster, found.tile, found.score, found.score, ranking.percentile(found.score))
            for n, found in enumerate(kept, start=1)
        ]

    def _refine(
        self, shortlist: Sequence[Hit], vectors: QueryVectors, keywords: Keywords, detail: str, spent: list[float]
    ) -> tuple[Hit, ...]:
        """The first ``options.refined`` hits ranked again among themselves; the others follow in their order.

        ``spent``, seconds a raster, is added to.
        """
        options, listeners = self._options, self._listeners
        if self._segmenter is None or not options.refined:
            return tuple(shortlist[: options.top])
        best, rest = shortlist[: options.refined], shortlist[options.refined :]
        refined: list[Hit] = []
        with RegionSource(self._model, self._segmenter, keywords.positives, self._rasters, options) as regions:
            hits = Refiner(self._model, self._mode, vectors, self._rasters, regions).refine(best)
            for done in range(len(best)):
                listeners.check()
                self._tell("refine", done, len(best), detail)
                start = time.perf_counter()
                refined.append(next(hits))
                spent[refined[-1].raster] += time.perf_counter() - start
                listeners.on_hit(refined[-1])
        self._tell("refine", len(best), len(best), detail)
        ordered = [*sorted(refined, key=lambda hit: -hit.score), *rest]
        return tuple(replace(hit, rank=rank) for rank, hit in enumerate(ordered[: options.top], start=1))

    def _outcomes(self, ranking: Ranking, spent: Sequence[float]) -> Iterator[RasterOutcome]:
        for n, (raster, seconds) in enumerate(zip(self._rasters, spent, strict=True)):
            best = ranking.best(n)
            percentile = None if best is None else ranking.percentile(best)
            yield RasterOutcome(len(raster.index.tiles), best, percentile, seconds + ranking.seconds[n])

    def _tell(self, stage: str, done: int, total: int, detail: str) -> None:
        self._listeners.progress(Progress(stage, done, total, detail))


def _placer(rasters: Sequence[SearchedRaster]) -> Placer | None:
    """How tiles of several rasters are compared; None where nothing is known of how they lie to each other."""
    sources = [raster.source for raster in rasters]
    crs = common_crs(sources)
    if len(sources) == 1 or crs is None:
        return None
    placements = [Placement(source, crs) for source in sources]
    return lambda raster, tile: placements[raster].place(tile_outline(tile))
