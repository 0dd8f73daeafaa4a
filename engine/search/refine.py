"""The fine pass: keywords outlined on one hit, what they outline embedded, and the score fused."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

import torch

from engine.config import IndexOptions
from engine.models.contract import RetrievalModel, ScoreMode, region_mean
from engine.raster.read import TileReader, content_size
from engine.search.hits import Hit, Subregion
from engine.search.query import QueryVectors, combine
from engine.search.rasters import SearchedRaster
from engine.segment.contract import Segment, Segmenter
from engine.segment.polygons import mask_to_polygons
from engine.segment.subimages import cut_subimages
from engine.types import Float32Array, UInt8Array

LARGEST_READ = 2
"""A tile is read at most at this multiple of the model's input: finer outlines, bounded work."""


class Refiner:
    """Refines hits of one query. Use it in ``with``: it holds one reader a raster.

    Args:
        mode: how subimages enter the score.
        keywords: what to outline.
    """

    def __init__(
        self,
        model: RetrievalModel,
        segmenter: Segmenter,
        mode: ScoreMode,
        query: QueryVectors,
        keywords: Sequence[str],
        rasters: Sequence[SearchedRaster],
        options: IndexOptions,
    ) -> None:
        self._model, self._segmenter, self._mode = model, segmenter, mode
        self._query, self._keywords = query, keywords
        self._rasters, self._options = rasters, options
        self._readers: dict[int, TileReader] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def refine(self, hit: Hit) -> Hit:
        """The hit with its subregions and its fused score; a hit on which no keyword is found keeps its global score.

        Raises:
            RasterError: the raster is damaged there.
        """
        pixels = self._read(hit)
        segments = self._segmenter.segment([pixels], [self._keywords])[0]
        score, regions = self._score(hit, pixels, segments)
        subregions = tuple(
            Subregion(segment.keyword, segment.score, polygon)
            for segment in segments
            for polygon in mask_to_polygons(segment.mask, hit.tile)
        )
        return replace(hit, score=score, score_regions=regions, subregions=subregions, refined=True)

    def _read(self, hit: Hit) -> UInt8Array:
        """The tile's own pixels ``(H, W, 3)``, its longer side between once and twice the model's input."""
        tile, size = hit.tile, self._model.image_size
        longer = min(max(tile.width, tile.height, size), LARGEST_READ * size)
        rows, cols = content_size(tile, longer)
        return self._reader(hit.raster).read_window(tile.x, tile.y, tile.width, tile.height, rows, cols).rgb

    def _score(self, hit: Hit, pixels: UInt8Array, segments: Sequence[Segment]) -> tuple[float, float | None]:
        """Fused score, and that of the subimages alone; the global score and None where there are no subimages."""
        if not segments:
            return hit.score_global, None
        model, texts = self._model, self._query.texts
        subimages = cut_subimages(pixels, segments, model.image_size)  # uint8 (n, s, s, 3)
        mask = torch.ones(1, len(subimages), dtype=torch.bool)
        with torch.inference_mode():
            regions = model.encode_regions(model.preprocess(subimages)[None], mask).float().cpu()  # (1, n, E)
            whole = torch.from_numpy(self._embedding(hit))  # (1, E)
            fused = model.score(whole, texts, regions, mask, self._mode)  # (1, 1 + N)
            alone = region_mean(regions, mask) @ texts.T
            return float(combine(fused)), float(combine(alone))

    def _embedding(self, hit: Hit) -> Float32Array:
        index = self._rasters[hit.raster].index
        return index.store.embeddings([hit.tile.row * index.spec.grid.n_cols + hit.tile.col])

    def _reader(self, raster: int) -> TileReader:
        if raster not in self._readers:
            searched = self._rasters[raster]
            reader = TileReader(
                searched.source.path, self._options.bands, searched.index.stretch, self._model.image_size, 0.0
            )
            self._readers[raster] = self._stack.enter_context(reader)
        return self._readers[raster]
