from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon, box

from engine.search.suppress import Candidate, suppress
from engine.types import Tile


def tile(x: int, y: int, side: int) -> Tile:
    return Tile(row=y, col=x, x=x, y=y, width=side, height=side)


def outline(raster: int, t: Tile) -> Polygon:
    """Rasters lie on one map, each moved by 5 units from the last."""
    return box(t.x + 5 * raster, t.y, t.x + 5 * raster + t.width, t.y + t.height)


def naive(candidates: list[Candidate], limit: int, max_iou: float, across: bool) -> list[Candidate]:
    """Every pair by polygons."""
    kept: list[Candidate] = []
    for c in candidates:
        a = outline(c.raster, c.tile)
        others = [outline(k.raster, k.tile) for k in kept if across or k.raster == c.raster]
        if all(a.intersection(b).area / a.union(b).area <= max_iou + 1e-12 for b in others):
            kept.append(c)
    return kept[:limit]


tiles = st.builds(tile, st.integers(0, 30), st.integers(0, 30), st.integers(1, 16))
candidate_lists = st.lists(st.builds(Candidate, st.integers(0, 2), tiles, st.just(0.0)), max_size=40)


@settings(max_examples=60, deadline=None)
@given(candidate_lists, st.integers(1, 20), st.floats(0, 1), st.booleans())
def test_suppression_equals_the_naive_one(
    candidates: list[Candidate], limit: int, max_iou: float, across: bool
) -> None:
    # Where an IoU equals the threshold up to rounding, the two may differ.
    max_iou = round(max_iou, 3) + 0.00037
    assert suppress(candidates, limit, max_iou, outline if across else None) == naive(
        candidates, limit, max_iou, across
    )


def test_an_iou_equal_to_the_limit_is_kept() -> None:
    pair = [Candidate(0, tile(0, 0, 10), 1.0), Candidate(0, tile(0, 0, 10), 0.5)]
    assert suppress(pair, 5, 1.0) == pair
    assert suppress(pair, 5, 0.999) == pair[:1]


def test_only_as_many_candidates_are_taken_as_are_needed() -> None:
    def endless() -> object:
        for i in range(1000):
            assert i < 3, "taken too many"
            yield Candidate(0, tile(20 * i, 0, 10), 1.0 / (i + 1))

    assert len(suppress(endless(), 2, 0.3)) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [1, 3])
def test_the_limit_holds(limit: int) -> None:
    row = [Candidate(0, tile(20 * i, 0, 10), 1.0 - 0.1 * i) for i in range(5)]
    assert suppress(row, limit, 0.3) == row[:limit]
    assert np.all(np.diff([c.score for c in suppress(row, 5, 0.3)]) < 0)
