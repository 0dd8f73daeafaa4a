"""Localisation: IoU of unions within the tile, mean per kind."""

from __future__ import annotations

import pytest
from shapely import box

from engine.evaluate.localisation import LocalisedHit, mean_iou_per_kind, union_iou

TILE = box(0, 0, 10, 10)


def hit(kind: str, predicted: list[object], truth: list[object]) -> LocalisedHit:
    return LocalisedHit(kind, TILE, predicted, truth)  # type: ignore[arg-type]


def test_overlapping_outlines_count_once() -> None:
    predicted = [box(0, 0, 2, 2), box(1, 0, 3, 2)]
    assert union_iou(predicted, [box(0, 0, 3, 2)]) == pytest.approx(1.0)
    assert union_iou(predicted, [box(0, 0, 3, 1), box(0, 0, 2, 1)]) == pytest.approx(0.5)


def test_nothing_found_or_nothing_there_is_zero() -> None:
    assert union_iou([], [box(0, 0, 1, 1)]) == 0.0
    assert union_iou([box(0, 0, 1, 1)], []) == 0.0
    assert union_iou([], []) == 0.0


def test_truth_counts_within_the_tile_only() -> None:
    assert mean_iou_per_kind([hit("river", [box(0, 4, 10, 6)], [box(-50, 4, 50, 6)])]) == pytest.approx({"river": 1.0})


def test_misses_count_as_zero_in_the_mean_of_their_kind() -> None:
    hits = [
        hit("tank", [box(0, 0, 2, 2)], [box(0, 0, 2, 2)]),
        hit("tank", [], [box(0, 0, 2, 2)]),
        hit("tank", [box(0, 0, 2, 2)], [box(20, 20, 22, 22)]),
        hit("pond", [box(0, 0, 2, 2)], [box(0, 0, 4, 2)]),
    ]
    assert mean_iou_per_kind(hits) == pytest.approx({"pond": 0.5, "tank": 1 / 3})
    assert list(mean_iou_per_kind(hits)) == ["pond", "tank"]
