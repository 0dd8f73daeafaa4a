"""The relevance segmenter on tiles whose truth is known to the pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.segment.places import is_place
from engine.segment.relevance import RelevanceSegmenter, RelevanceSettings, relevant_area
from engine.types import BoolArray, Float32Array, UInt8Array
from tests.engine.segment.conftest import PALETTE, TintModel

SHARP = RelevanceSettings(superpixels=150)


def disc(side: int, row: float, col: float, radius: float) -> BoolArray:
    y, x = np.mgrid[:side, :side] + 0.5
    return np.asarray((y - row * side) ** 2 + (x - col * side) ** 2 <= (radius * side) ** 2)


def block(side: int, top: float, left: float, bottom: float, right: float) -> BoolArray:
    mask = np.zeros((side, side), np.bool_)
    mask[round(top * side) : round(bottom * side), round(left * side) : round(right * side)] = True
    return mask


def paint(side: int, **areas: BoolArray) -> UInt8Array:
    """A green tile with an area of each named colour, and the noise of a sensor."""
    tile = np.empty((side, side, 3), np.int64)
    tile[:] = PALETTE["green"]
    for colour, mask in areas.items():
        tile[mask] = PALETTE[colour]
    noise = np.random.default_rng(3).normal(0, 3, tile.shape)
    return (tile + noise).clip(0, 255).astype(np.uint8)


def iou(a: BoolArray, b: BoolArray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("side", [112, 224, 300])
def test_areas_are_outlined_at_the_resolution_of_the_tile(side: int) -> None:
    truth = {"red": disc(side, 0.3, 0.35, 0.17), "blue": block(side, 0.55, 0.5, 0.95, 0.9)}
    [segments] = RelevanceSegmenter(TintModel(), SHARP).segment([paint(side, **truth)], [["red", "blue"]])
    assert [segment.keyword for segment in segments] == ["red", "blue"]
    for segment in segments:
        assert segment.mask.shape == (side, side)
        assert segment.mask.dtype == np.bool_
        assert iou(segment.mask, truth[segment.keyword]) > 0.9
        assert 0.5 < segment.score <= 1.0


def test_several_areas_of_one_keyword_are_one_segment() -> None:
    truth = disc(224, 0.25, 0.25, 0.15) | disc(224, 0.7, 0.7, 0.15)
    [[segment]] = RelevanceSegmenter(TintModel(), SHARP).segment([paint(224, red=truth)], [["red"]])
    assert iou(segment.mask, truth) > 0.9


def test_a_keyword_that_is_not_there_has_no_segment() -> None:
    tile = paint(224, red=disc(224, 0.5, 0.5, 0.2))
    [segments] = RelevanceSegmenter(TintModel(), SHARP).segment([tile], [["yellow", "red", "purple"]])
    assert [segment.keyword for segment in segments] == ["red"]


def test_what_fills_the_tile_is_outlined_whole() -> None:
    [[segment]] = RelevanceSegmenter(TintModel(), SHARP).segment([paint(112)], [["green"]])
    assert segment.mask.mean() > 0.95


def test_a_displaced_model_outlines_the_same() -> None:
    truth = disc(224, 0.4, 0.6, 0.2)
    [[segment]] = RelevanceSegmenter(TintModel(-0.5), SHARP).segment([paint(224, red=truth)], [["red"]])
    assert iou(segment.mask, truth) > 0.9


def test_the_result_of_a_tile_depends_neither_on_its_neighbours_nor_on_other_keywords() -> None:
    tiles = [paint(112, red=disc(112, 0.5, 0.5, 0.2)), paint(96, blue=block(96, 0.1, 0.1, 0.6, 0.6)), paint(112)]
    keywords = [["red", "blue"], ["blue"], []]
    together = RelevanceSegmenter(TintModel(), SHARP).segment(tiles, keywords)
    assert [[segment.keyword for segment in found] for found in together] == [["red"], ["blue"], []]
    for tile, found in zip(tiles[:2], together[:2], strict=True):
        [[alone]] = RelevanceSegmenter(TintModel(), SHARP).segment([tile], [[found[0].keyword]])
        assert np.array_equal(alone.mask, found[0].mask)
        assert alone.score == pytest.approx(found[0].score, abs=1e-5)


def test_a_tile_that_is_no_square_keeps_its_shape() -> None:
    tile = paint(224, red=disc(224, 0.5, 0.3, 0.2))[:, :150]
    [[segment]] = RelevanceSegmenter(TintModel(), SHARP).segment([tile], [["red"]])
    assert segment.mask.shape == (224, 150)
    assert iou(segment.mask, disc(224, 0.5, 0.3, 0.2)[:, :150]) > 0.9


def test_patches_are_encoded_once_for_all_keywords() -> None:
    one, many = TintModel(), TintModel()
    tile = paint(112, red=disc(112, 0.5, 0.5, 0.2))
    RelevanceSegmenter(one).segment([tile], [["red"]])
    RelevanceSegmenter(many).segment([tile], [["red", "blue", "white", "black"]])
    assert many.encoded_images == one.encoded_images


def test_nothing_to_do_costs_nothing() -> None:
    model = TintModel()
    assert RelevanceSegmenter(model).segment([], []) == []
    assert RelevanceSegmenter(model).segment([paint(112)], [[]]) == [[]]
    assert model.encoded_images == 0


def test_the_identity_tells_settings_apart() -> None:
    model = TintModel()
    default = RelevanceSegmenter(model).identity
    assert default == RelevanceSegmenter(model, RelevanceSettings()).identity
    assert default != RelevanceSegmenter(model, RelevanceSettings(contrast=0.6)).identity


def test_a_place_of_many_things_is_not_cut_where_a_thing_is() -> None:
    tile = paint(224, red=block(224, 0.0, 0.0, 1.0, 0.5))
    settings = replace(SHARP, place_contrast=100.0)
    [segments] = RelevanceSegmenter(TintModel(), settings).segment([tile], [["red roof", "red area"]])
    thing, place = segments
    assert thing.mask.mean() == pytest.approx(0.5, abs=0.1)
    assert place.mask.all()


@pytest.mark.parametrize(
    "keyword", ["airport", "residential areas", "sparse residential houses", "Harbour", "university campuses", "towns"]
)
def test_places(keyword: str) -> None:
    assert is_place(keyword)


@pytest.mark.parametrize("keyword", ["residential road", "airport runway", "", "car parks", "tank farm", "sandy area"])
def test_things_and_surfaces_are_no_places(keyword: str) -> None:
    assert not is_place(keyword)


class TestRelevantArea:
    """Cut and cleaning on a map of 4 x 4 superpixels of 10 px."""

    settings = RelevanceSettings(presence=0.5, contrast=1.0, shared=0.5, smallest_part=0.0, largest_hole=0.0)
    labels = np.repeat(np.repeat(np.arange(16).reshape(4, 4), 10, 0), 10, 1)

    def area(self, cells: list[list[float]], alike: Float32Array | None = None, **changes: float) -> BoolArray:
        values = np.asarray(cells, np.float32).repeat(10, 0).repeat(10, 1)
        weights = np.eye(16, dtype=np.float32) if alike is None else alike  # of itself alone: values stay
        settings = replace(self.settings, **changes)
        return relevant_area(values, self.labels, weights, settings, settings.contrast)[::10, ::10]

    def test_the_upper_half_is_the_area(self) -> None:
        cells = [[0.0, 0, 0, 0], [0, 4, 3.1, 0], [0, 1.2, 0, 0], [0, 0, 0, 0]]
        assert np.argwhere(self.area(cells)).tolist() == [[1, 1], [1, 2]]

    def test_a_peak_too_low_is_no_presence(self) -> None:
        cells = [[2.0, 0, 0, 0]] + [[0.0] * 4] * 3
        assert np.argwhere(self.area(cells)).tolist() == [[0, 0]]
        assert not self.area(cells, presence=2.1).any()

    def test_halves_that_differ_little_are_one_whole(self) -> None:
        cells = [[2.0, 2.1, 2.2, 2.0]] * 3 + [[1.2] * 4]
        assert self.area(cells).all()
        assert np.argwhere(~self.area(cells, contrast=0.5)).tolist() == [[3, 0], [3, 1], [3, 2], [3, 3]]

    def test_what_looks_like_the_peak_belongs_to_it(self) -> None:
        cells = [[4.0, 0, 0, 0]] + [[0.0] * 4] * 3
        alike = np.eye(16, dtype=np.float32)
        alike[[0, 5]] = alike[[5, 0]]  # the first and the sixth heed each other
        assert np.argwhere(self.area(cells, alike, shared=0.1)).tolist() == [[0, 0]]
        assert np.argwhere(self.area(cells, alike, shared=0.9)).tolist() == [[0, 0], [1, 1]]

    def test_small_parts_and_holes_go(self) -> None:
        cells = [[3.0, 3, 3, 0], [3, 0, 3, 0], [3, 3, 3, 0], [0, 0, 0, 3]]
        cleaned = self.area(cells, smallest_part=0.1)
        assert cleaned[:3, :3].all()
        assert not cleaned[3, 3]
        assert not cleaned[:, 3].any()

    def test_holes_are_filled_and_bays_are_not(self) -> None:
        cells = [[3.0, 3, 3, 0], [3, 0, 3, 0], [3, 3, 3, 3], [0, 3, 3, 3]]
        kept = self.area(cells)
        assert np.argwhere(~kept).tolist() == [[0, 3], [1, 1], [1, 3], [3, 0]]
        assert np.array_equal(self.area(cells, largest_hole=0.05), kept)
        assert np.argwhere(~self.area(cells, largest_hole=0.07)).tolist() == [[0, 3], [1, 3], [3, 0]]
