"""The fine pass: keywords outlined on the best hits, and what they outline brought into the score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from engine.index.regions import Region
from engine.models.contract import RetrievalModel, ScoreMode, region_mean
from engine.search.hits import Hit, Subregion
from engine.search.query import QueryVectors, combine
from engine.search.rasters import SearchedRaster
from engine.search.regions import RegionSource
from engine.segment.polygons import mask_to_polygons
from engine.types import Float32Array

HITS_PER_READ = 256  # bounds the memory for masks
CPU_BATCH, GPU_BATCH = 1, 4
"""Hits segmented at once: on the CPU one tile fills the cores, and the first hit is shown the sooner."""


class Refiner:
    """Refines hits of one query.

    Args:
        mode: how subimages enter the score.
        regions: where they come from.
    """

    def __init__(
        self,
        model: RetrievalModel,
        mode: ScoreMode,
        query: QueryVectors,
        rasters: Sequence[SearchedRaster],
        regions: RegionSource,
    ) -> None:
        self._model, self._mode, self._query = model, mode, query
        self._rasters, self._regions = rasters, regions
        self._batch = CPU_BATCH if model.device.type == "cpu" else GPU_BATCH

    def refine(self, hits: Sequence[Hit]) -> Iterator[Hit]:
        """The hits, in their order, with subregions and the score of the mode; one on which no keyword is found keeps
        its global score.

        Raises:
            RasterError: a raster is damaged there.
        """
        for first in range(0, len(hits), HITS_PER_READ):
            block = hits[first : first + HITS_PER_READ]
            known = self._regions.recall(block)
            embeddings = self._embeddings(block)
            for start in range(0, len(block), self._batch):
                batch = block[start : start + self._batch]
                for i, (hit, regions) in enumerate(zip(batch, self._regions.find(batch, known), strict=True), start):
                    yield self._refined(hit, regions, embeddings[i])

    def _refined(self, hit: Hit, regions: Mapping[str, Region], embedding: Float32Array) -> Hit:
        score, alone = self._score(hit, list(regions.values()), embedding)
        subregions = tuple(
            Subregion(keyword, region.score, polygon)
            for keyword, region in regions.items()
            for polygon in mask_to_polygons(region.mask, hit.tile)
        )
        return replace(hit, score=score, score_regions=alone, subregions=subregions, refined=True)

    def _score(self, hit: Hit, regions: Sequence[Region], embedding: Float32Array) -> tuple[float, float | None]:
        """Score of the mode, and that of the subimages alone; the global score and None where there are none."""
        if not regions:
            return hit.score_global, None
        model = self._model
        with torch.inference_mode():
            texts = self._query.texts.to(model.device)  # (1 + N, E)
            mask = torch.ones(1, len(regions), dtype=torch.bool, device=model.device)
            of_regions = torch.from_numpy(np.stack([region.embedding for region in regions]))[None].to(model.device)
            alone = float(combine(region_mean(of_regions, mask) @ texts.T))
            if self._mode is ScoreMode.GLOBAL:
                return hit.score_global, alone
            whole = torch.from_numpy(embedding[None]).to(model.device)  # (1, E)
            return float(combine(model.score(whole, texts, of_regions, mask, self._mode))), alone

    def _embeddings(self, hits: Sequence[Hit]) -> Float32Array:
        """Global embeddings ``(B, E)``: one read a raster."""
        out = np.empty((len(hits), self._model.embed_dim), np.float32)
        for raster in {hit.raster for hit in hits}:
            mine = [i for i, hit in enumerate(hits) if hit.raster == raster]
            index = self._rasters[raster].index
            grid = index.spec.grid
            out[mine] = index.store.embeddings([hits[i].tile.row * grid.n_cols + hits[i].tile.col for i in mine])
        return out
