"""Things on their ground, on tiles whose truth is known to the pixel."""

from __future__ import annotations

import numpy as np
import pytest

from engine.segment.relevance import RelevanceSegmenter, RelevanceSettings
from engine.segment.things import is_thing, standing_out
from engine.types import BoolArray, UInt8Array
from tests.engine.segment.conftest import PALETTE, TintModel
from tests.engine.segment.test_relevance import block, disc, iou

SIDE = 224
GROUND, PALE, SHADOW = (128, 118, 104), (226, 228, 230), (52, 48, 44)
WHOLE = np.ones((SIDE, SIDE), np.bool_)
TANKS = disc(SIDE, 0.3, 0.3, 0.1) | disc(SIDE, 0.3, 0.7, 0.1) | disc(SIDE, 0.7, 0.5, 0.1)


def paint(ground: tuple[int, int, int], *areas: tuple[BoolArray, tuple[int, int, int]]) -> UInt8Array:
    """A tile of one ground with areas in their colours, the last on top, and the noise of a sensor."""
    tile = np.empty((SIDE, SIDE, 3), np.float64)
    tile[:] = ground
    for area, colour in areas:
        tile[area] = colour
    return (tile + np.random.default_rng(3).normal(0, 4, tile.shape)).clip(0, 255).astype(np.uint8)


def test_things_are_outlined_one_by_one_and_not_their_shadows() -> None:
    shadows = np.roll(TANKS, (10, 14), (0, 1))
    found = standing_out(paint(GROUND, (shadows, SHADOW), (TANKS, PALE)), WHOLE)
    assert iou(found, TANKS) > 0.9
    assert (found & shadows & ~TANKS).sum() < 0.15 * shadows.sum()


def test_the_ground_may_change_across_a_tile() -> None:
    tile = paint(GROUND, (block(SIDE, 0, 0.5, 1, 1), (96, 120, 84)), (TANKS, PALE))
    assert iou(standing_out(tile, WHOLE), TANKS) > 0.75


def test_what_lies_outside_the_mask_is_left_out() -> None:
    left = block(SIDE, 0, 0, 1, 0.5)
    found = standing_out(paint(GROUND, (TANKS, PALE)), left)
    assert not (found & ~left).any()
    assert iou(found, TANKS & left) > 0.85


def test_a_hole_of_the_mask_stays_one() -> None:
    hole, ring = disc(SIDE, 0.5, 0.5, 0.28), disc(SIDE, 0.5, 0.5, 0.34)
    found = standing_out(paint(GROUND, (ring, PALE)), ~hole)
    assert not (found & hole).any()
    assert iou(found, ring & ~hole) > 0.85


@pytest.mark.parametrize("radius", [0.3, 0.38])
def test_one_thing_may_fill_much_of_a_tile(radius: float) -> None:
    tank = disc(SIDE, 0.5, 0.5, radius)
    assert iou(standing_out(paint(GROUND, (tank, PALE)), WHOLE), tank) > 0.95


def test_a_marking_is_no_thing() -> None:
    line = block(SIDE, 0.9, 0.05, 0.93, 0.95)
    found = standing_out(paint(GROUND, (TANKS | line, PALE)), WHOLE)
    assert not (found & line).any()
    assert iou(found, TANKS) > 0.9


def test_where_nothing_stands_out_the_mask_stays() -> None:
    half = block(SIDE, 0, 0, 1, 0.5)
    assert np.array_equal(standing_out(np.full((SIDE, SIDE, 3), 128, np.uint8), half), half)


def test_the_segmenter_outlines_things_within_what_the_map_shows() -> None:
    tile = paint(PALETTE["red"], (TANKS, (250, 210, 205)))
    segmenter = RelevanceSegmenter(TintModel(), RelevanceSettings())
    [[whole, things]] = segmenter.segment([tile], [["red", "red tank"]])
    assert whole.mask.mean() > 0.9
    assert iou(things.mask, TANKS) > 0.7


@pytest.mark.parametrize("keyword", ["planes", "storage tanks", "Boat", "school buses", "white oil tank"])
def test_things(keyword: str) -> None:
    assert is_thing(keyword)


@pytest.mark.parametrize("keyword", ["tank farm", "cable cars", "harbour", "tennis courts", "trees", ""])
def test_places_fields_and_surfaces_are_none(keyword: str) -> None:
    assert not is_thing(keyword)
