"""A search: index, rank, suppress, outline, fuse, rank again (docs/architecture.md, "The way of a query")."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from engine.config import SearchOptions
from engine.errors import Cancelled
from engine.index.folder import IndexFolder
from engine.models.contract import RetrievalModel, ScoreMode
from engine.raster.source import RasterSource
from engine.search.hits import Hit, SearchResult, Timings
from engine.search.modes import choose_mode
from engine.search.places import Placement, common_crs, parse_crs, tile_outline
from engine.search.query import QueryVectors
from engine.search.rank import rank_tiles
from engine.search.rasters import SearchedRaster, count_tiles, index_rasters, open_sources
from engine.search.refine import Refiner
from engine.search.regions import RegionSource
from engine.search.suppress import suppress
from engine.segment.contract import Segmenter
from engine.text.contract import KeywordExtractor, Keywords
from engine.types import CancelCheck, Progress, ProgressSink, no_progress

ShortlistCallback = Callable[[Sequence[Hit]], None]
HitCallback = Callable[[Hit], None]


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
        on_shortlist: ShortlistCallback | None = None,
        on_hit: HitCallback | None = None,
    ) -> SearchResult:
        """The best places for a query.

        Args:
            rasters: paths or URIs, at least one.
            progress: receives the stages ``"index"`` (tiles), ``"rank"`` (rasters) and ``"refine"`` (hits).
            cancel: asked between tiles and hits.
            on_shortlist: receives all hits before any is refined, best first.
            on_hit: receives each hit as it is refined, still with its rank of the shortlist.

        Raises:
            UsageError: an empty query, an option that does not fit the rasters or the model.
            RasterError, IndexStoreError, ModelError: see :func:`engine.index.build.build_index`.
            Cancelled: when ``cancel`` or ``progress`` says so.
        """
        keywords = self.extractor.extract(query)
        mode = choose_mode(options.score, self.model)
        chosen = parse_crs(options.crs) if options.crs else None
        timings = Timings()
        with open_sources(rasters) as sources:
            crs = common_crs(sources, chosen)
            start = time.perf_counter()
            indexed = index_rasters(sources, self.model, options, self.folder, progress, cancel)
            timings.index, start = time.perf_counter() - start, time.perf_counter()
            vectors = QueryVectors.of(keywords, self.model)
            progress(Progress("rank", 0, len(indexed)))
            shortlist = self._shortlist(indexed, sources, vectors, options)
            progress(Progress("rank", len(indexed), len(indexed)))
            timings.rank, start = time.perf_counter() - start, time.perf_counter()
            if on_shortlist is not None:
                on_shortlist(shortlist)
            hits = self._refine(shortlist, indexed, vectors, keywords, mode, options, progress, cancel, on_hit)
            timings.refine = time.perf_counter() - start
        return SearchResult(
            query=query,
            keywords=keywords,
            model=self.model.identity.model_id,
            hits=hits,
            crs=crs,
            rasters=tuple(source.path for source in sources),
            counts=count_tiles(indexed),
            timings=timings,
            mode=mode,
        )

    def _shortlist(
        self,
        rasters: Sequence[SearchedRaster],
        sources: Sequence[RasterSource],
        vectors: QueryVectors,
        options: SearchOptions,
    ) -> list[Hit]:
        crs = common_crs(sources)
        placements = [Placement(source, crs) for source in sources]
        # Without a CRS nothing is known of how rasters lie to each other.
        several = len(sources) > 1 and crs is not None
        kept = suppress(
            rank_tiles(rasters, vectors),
            options.shortlist,
            options.nms,
            (lambda raster, tile: placements[raster].place(tile_outline(tile))) if several else None,
        )
        return [
            Hit(rank, candidate.raster, candidate.tile, candidate.score, candidate.score)
            for rank, candidate in enumerate(kept, start=1)
        ]

    def _refine(
        self,
        shortlist: Sequence[Hit],
        rasters: Sequence[SearchedRaster],
        vectors: QueryVectors,
        keywords: Keywords,
        mode: ScoreMode,
        options: SearchOptions,
        progress: ProgressSink,
        cancel: CancelCheck | None,
        on_hit: HitCallback | None,
    ) -> tuple[Hit, ...]:
        """The first ``options.refined`` hits ranked again among themselves; the others follow in their order."""
        if self.segmenter is None or not options.refined:
            return tuple(shortlist[: options.top])
        best, rest = shortlist[: options.refined], shortlist[options.refined :]
        refined: list[Hit] = []
        with RegionSource(self.model, self.segmenter, keywords.positives, rasters, options) as regions:
            hits = Refiner(self.model, mode, vectors, rasters, regions).refine(best)
            for done in range(len(best)):
                if cancel is not None and cancel():
                    raise Cancelled
                progress(Progress("refine", done, len(best)))
                refined.append(next(hits))
                if on_hit is not None:
                    on_hit(refined[-1])
        progress(Progress("refine", len(best), len(best)))
        ordered = [*sorted(refined, key=lambda hit: -hit.score), *rest]
        return tuple(replace(hit, rank=rank) for rank, hit in enumerate(ordered[: options.top], start=1))
