"""Relevance spreads among superpixels that look alike, and to no others."""

from __future__ import annotations

import numpy as np
import pytest

from engine.segment.diffusion import affinities, diffused

LABELS = np.repeat(np.repeat(np.arange(4).reshape(2, 2), 10, 0), 10, 1)


def image(*colours: tuple[int, int, int]) -> np.ndarray:
    """Four quarters of one colour each, row by row."""
    return np.asarray(colours, np.uint8)[LABELS]


RED, GREEN = (190, 40, 40), (40, 160, 60)


def test_a_superpixel_heeds_those_of_its_colour_alone() -> None:
    weights = affinities(image(RED, GREEN, GREEN, RED), LABELS, 5.0, 10.0)
    expected = [[0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
    assert np.allclose(weights, expected, atol=1e-6)


def test_the_nearer_of_two_alike_counts_more_and_the_larger() -> None:
    same = image(RED, RED, RED, RED)
    beside, below, across = affinities(same, LABELS, 5.0, 0.3)[0, 1:]
    assert beside == pytest.approx(below)
    assert across == pytest.approx(beside * np.exp(-0.5 * (0.5 / 0.3) ** 2), rel=1e-4)
    labels = np.where(LABELS == 3, 1, LABELS)  # the right half is one superpixel, twice as large
    assert affinities(same, labels, 5.0, 1e3)[0] == pytest.approx([0, 2 / 3, 1 / 3], abs=1e-4)


def test_texture_tells_apart_what_colour_does_not() -> None:
    noisy = np.full((20, 20, 3), 120, np.uint8)
    noisy[:10, :10] = noisy[:10, 10:] = np.indices((10, 10)).sum(0)[..., None] % 2 * 100 + 70
    weights = affinities(noisy, LABELS, 5.0, 1e3)
    assert weights[0, 1] > 0.95
    assert weights[2, 3] > 0.95


def test_one_of_its_kind_keeps_its_share_and_heeds_nobody() -> None:
    weights = affinities(image(RED, GREEN, GREEN, GREEN), LABELS, 1.0, 0.3)
    assert weights[0].sum() == pytest.approx(0.0, abs=1e-3)


def test_values_that_agree_stay_and_others_move_towards_each_other() -> None:
    pair = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    assert diffused(np.array([2.0, 2.0], np.float32), pair, 0.9) == pytest.approx([2.0, 2.0])
    # v0 = 0.5 * 3 + 0.5 * v1, v1 = 0.5 * v0
    assert diffused(np.array([3.0, 0.0], np.float32), pair, 0.5) == pytest.approx([2.0, 1.0])
    assert diffused(np.array([3.0, 0.0], np.float32), pair, 0.0) == pytest.approx([3.0, 0.0])
