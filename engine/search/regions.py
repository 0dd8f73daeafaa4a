"""Regions of hits: taken from the index where they are known, else outlined, embedded and kept there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType

import numpy as np
import torch

from engine.config import IndexOptions
from engine.index.regions import Region, RegionKey, RegionStore
from engine.models.contract import RetrievalModel
from engine.raster.read import TileReader, content_size
from engine.search.hits import Hit
from engine.search.rasters import SearchedRaster
from engine.segment.contract import Segment, Segmenter
from engine.segment.subimages import cut_subimages
from engine.types import Float32Array, UInt8Array

LARGEST_READ = 2
"""A tile is read at most at this multiple of the model's input: finer outlines, bounded work."""

SUBIMAGES_PER_BATCH = 64

Known = dict[tuple[int, RegionKey], Region | None]
"""By raster, tile and keyword; None where the keyword is not to be found."""


class RegionSource:
    """The regions of one query's keywords. Use it in ``with``: it holds one reader a raster, and what it has found is
    committed every ``options.commit_seconds`` and at the end, also when it is interrupted.

    A segmenter's answer for a keyword must not depend on the other keywords, since each is kept by itself.
    """

    def __init__(
        self,
        model: RetrievalModel,
        segmenter: Segmenter,
        keywords: Sequence[str],
        rasters: Sequence[SearchedRaster],
        options: IndexOptions,
    ) -> None:
        self._model, self._segmenter, self._keywords = model, segmenter, tuple(keywords)
        self._rasters, self._options = rasters, options
        self._stores = [
            RegionStore(raster.index.store.folder, raster.index.spec.embed_dim, segmenter.identity)
            for raster in rasters
        ]
        self._pending: Known = {}
        self._since = time.monotonic()
        self._readers: dict[int, TileReader] = {}
        self._stack = ExitStack()

    def __enter__(self) -> RegionSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            self._commit()

    def recall(self, hits: Sequence[Hit]) -> Known:
        """What the indexes know about the hits: one read a raster."""
        known: Known = {}
        for raster in {hit.raster for hit in hits}:
            tiles = [self._tile(hit) for hit in hits if hit.raster == raster]
            read = self._stores[raster].read(tiles, self._keywords)
            known.update({(raster, key): region for key, region in read.items()})
        return known

    def find(self, hits: Sequence[Hit], known: Known) -> list[dict[str, Region]]:
        """The regions of each hit by keyword, in the order of the keywords; what ``known`` lacks is looked for.

        Raises:
            RasterError: the raster is damaged there.
        """
        missing = [tuple(k for k in self._keywords if self._key(hit, k) not in known) for hit in hits]
        wanting = [(hit, words) for hit, words in zip(hits, missing, strict=True) if words]
        if wanting:
            found = self._look_for(*zip(*wanting, strict=True))
            known.update(found)
            self._keep(found)
        regions = [{keyword: known[self._key(hit, keyword)] for keyword in self._keywords} for hit in hits]
        return [{keyword: region for keyword, region in of_hit.items() if region is not None} for of_hit in regions]

    def _look_for(self, hits: Sequence[Hit], keywords: Sequence[Sequence[str]]) -> Known:
        tiles = [self._read(hit) for hit in hits]
        segments = self._segmenter.segment(tiles, keywords)
        embeddings = iter(embed_segments(self._model, tiles, segments))
        found: Known = {self._key(hit, word): None for hit, words in zip(hits, keywords, strict=True) for word in words}
        for hit, of_tile in zip(hits, segments, strict=True):
            for segment in of_tile:
                found[self._key(hit, segment.keyword)] = Region(segment.mask, segment.score, next(embeddings))
        return found

    def _keep(self, found: Known) -> None:
        self._pending.update(found)
        if time.monotonic() - self._since >= self._options.commit_seconds:
            self._commit()

    def _commit(self) -> None:
        for raster, store in enumerate(self._stores):
            store.append({key: region for (owner, key), region in self._pending.items() if owner == raster})
        self._pending = {}
        self._since = time.monotonic()

    def _key(self, hit: Hit, keyword: str) -> tuple[int, RegionKey]:
        return hit.raster, (self._tile(hit), keyword)

    def _tile(self, hit: Hit) -> int:
        return hit.tile.row * self._rasters[hit.raster].index.spec.grid.n_cols + hit.tile.col

    def _read(self, hit: Hit) -> UInt8Array:
        """The tile's own pixels ``(H, W, 3)``, its longer side between once and twice the model's input."""
        tile, size = hit.tile, self._model.image_size
        longer = min(max(tile.width, tile.height, size), LARGEST_READ * size)
        rows, cols = content_size(tile, longer)
        return self._reader(hit.raster).read_window(tile.x, tile.y, tile.width, tile.height, rows, cols).rgb

    def _reader(self, raster: int) -> TileReader:
        if raster not in self._readers:
            searched = self._rasters[raster]
            reader = TileReader(
                searched.source.path, self._options.bands, searched.index.stretch, self._model.image_size, 0.0
            )
            self._readers[raster] = self._stack.enter_context(reader)
        return self._readers[raster]


def embed_segments(
    model: RetrievalModel, tiles: Sequence[UInt8Array], segments: Sequence[Sequence[Segment]]
) -> Float32Array:
    """Embeddings ``(n, E)`` of the subimages that the segments, one list a tile, cut out of tiles ``(H, W, 3)``; tile
    by tile.
    """
    cut = [cut_subimages(tile, some, model.image_size) for tile, some in zip(tiles, segments, strict=True) if some]
    if not cut:
        return np.empty((0, model.embed_dim), np.float32)
    subimages = np.concatenate(cut)  # uint8 (n, s, s, 3)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(subimages), SUBIMAGES_PER_BATCH):
            inputs = model.preprocess(subimages[start : start + SUBIMAGES_PER_BATCH])[None]
            mask = torch.ones(inputs.shape[:2], dtype=torch.bool)
            parts.append(model.encode_regions(inputs, mask)[0].float().cpu().numpy())
    return np.concatenate(parts)
