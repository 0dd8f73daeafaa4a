"""All tiles of all rasters against a query, best first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from engine.errors import Cancelled
from engine.search.query import QueryVectors
from engine.search.rasters import SearchedRaster
from engine.search.suppress import Candidate
from engine.types import CancelCheck, Float32Array

_CANCEL_EVERY = 4096  # candidates


class Ranking:
    """Exact: every embedding is compared. Equal scores keep the order of the rasters and of the tiles in them.

    Args:
        cancel: asked for every part of an index that is read, and now and then while candidates are taken.

    Attributes:
        seconds: what scoring the tiles of each raster took.

    Raises:
        IndexStoreError: an index cannot be read.
        Cancelled: when ``cancel`` says so.
    """

    def __init__(
        self, rasters: Sequence[SearchedRaster], query: QueryVectors, cancel: CancelCheck | None = None
    ) -> None:
        self._rasters, self._cancel = rasters, cancel
        self.seconds: list[float] = []
        numbers, scores = [], []
        for raster in rasters:
            start = time.perf_counter()
            tiles, values = raster.index.score(lambda embeddings: self._scored(query, embeddings))
            numbers.append(tiles)
            scores.append(values)
            self.seconds.append(time.perf_counter() - start)
        self._best = [float(part.max()) if len(part) else None for part in scores]
        self._owner = np.repeat(np.arange(len(rasters)), [len(part) for part in numbers])
        self._tiles, self._scores = np.concatenate(numbers), np.concatenate(scores)
        self._order = np.argsort(-self._scores, kind="stable")
        self._ascending = self._scores[self._order[::-1]]

    def __iter__(self) -> Iterator[Candidate]:
        """All tiles with enough data, best first."""
        for n, i in enumerate(self._order):
            if n % _CANCEL_EVERY == 0:
                self._check()
            grid = self._rasters[self._owner[i]].index.spec.grid
            yield Candidate(int(self._owner[i]), grid[int(self._tiles[i])], float(self._scores[i]))

    def percentile(self, score: float) -> float:
        """Share of the tiles in percent that score less."""
        if len(self._ascending) == 0:
            return 0.0
        return 100.0 * float(np.searchsorted(self._ascending, score, side="left")) / len(self._ascending)

    def best(self, raster: int) -> float | None:
        """The best score on one raster; None where none of its tiles has enough data."""
        return self._best[raster]

    def _scored(self, query: QueryVectors, embeddings: Float32Array) -> Float32Array:
        self._check()
        return query.score(embeddings)

    def _check(self) -> None:
        if self._cancel is not None and self._cancel():
            raise Cancelled
