"""All tiles of all rasters against a query, best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from engine.search.query import QueryVectors
from engine.search.rasters import SearchedRaster
from engine.search.suppress import Candidate


def rank_tiles(rasters: Sequence[SearchedRaster], query: QueryVectors) -> Iterator[Candidate]:
    """Exact: every embedding is compared. Equal scores keep the order of the rasters and of the tiles in them."""
    numbers, scores = zip(*(raster.index.store.score(query.score) for raster in rasters), strict=True)
    owner = np.repeat(np.arange(len(rasters)), [len(part) for part in numbers])
    tiles, values = np.concatenate(numbers), np.concatenate(scores)
    for i in np.argsort(-values, kind="stable"):
        grid = rasters[owner[i]].index.spec.grid
        yield Candidate(int(owner[i]), grid[int(tiles[i])], float(values[i]))
