"""Masks to polygons: exact coordinates, valid geometries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.features import rasterize
from shapely import box

from engine.segment.polygons import mask_to_polygons
from engine.types import BoolArray, Tile


def tile(x: int = 0, y: int = 0, width: int = 8, height: int = 8) -> Tile:
    return Tile(row=0, col=0, x=x, y=y, width=width, height=height)


def mask_of(rows: list[str]) -> BoolArray:
    return np.array([[c == "#" for c in row] for row in rows])


def test_a_block_is_a_rectangle_in_raster_pixels() -> None:
    mask = np.zeros((8, 8), np.bool_)
    mask[2:5, 1:7] = True
    [polygon] = mask_to_polygons(mask, tile(x=100, y=200))
    assert polygon.equals(box(101, 202, 107, 205))


def test_a_mask_of_another_resolution_is_scaled_to_its_tile() -> None:
    mask = np.zeros((4, 8), np.bool_)
    mask[1:3, 2:4] = True
    [polygon] = mask_to_polygons(mask, tile(x=10, y=20, width=24, height=10))
    assert polygon.equals(box(16, 22.5, 22, 27.5))


def test_holes_are_kept_and_parts_apart() -> None:
    mask = mask_of(["####..", "#..#..", "#..#..", "####..", "....##", "....##"])
    first, second = mask_to_polygons(mask, tile(width=6, height=6))
    assert first.equals(box(0, 0, 4, 4).difference(box(1, 1, 3, 3)))
    assert second.equals(box(4, 4, 6, 6))


def test_an_empty_mask_has_no_polygon_and_a_full_one_is_the_tile() -> None:
    assert mask_to_polygons(np.zeros((8, 8), np.bool_), tile()) == []
    [polygon] = mask_to_polygons(np.ones((8, 8), np.bool_), tile(x=3, y=4))
    assert polygon.equals(box(3, 4, 11, 12))


def test_simplifying_takes_the_steps_out_of_a_diagonal_and_little_else() -> None:
    mask = np.tri(64, dtype=np.bool_)
    [exact] = mask_to_polygons(mask, tile(width=64, height=64), simplify=0)
    [simple] = mask_to_polygons(mask, tile(width=64, height=64))
    assert len(exact.exterior.coords) > 100
    assert len(simple.exterior.coords) < 10
    assert simple.area == pytest.approx(exact.area, rel=0.03)


@settings(max_examples=60, deadline=None)
@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_outlines_are_valid_and_unsimplified_ones_give_the_mask_back(mask: BoolArray) -> None:
    rows, cols = mask.shape
    window = tile(x=5, y=7, width=cols, height=rows)
    assert all(polygon.is_valid and polygon.area > 0 for polygon in mask_to_polygons(mask, window))
    exact = mask_to_polygons(mask, window, simplify=0)
    assert sum(polygon.area for polygon in exact) == mask.sum()
    if exact:
        drawn = rasterize(exact, (rows + 7, cols + 5), dtype=np.uint8)
        assert np.array_equal(drawn[7:, 5:].astype(bool), mask)
