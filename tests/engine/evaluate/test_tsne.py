"""t-SNE: its probabilities, what it keeps together, and that it always gives the same."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evaluate.tsne import evenly_drawn, nearest_turn, neighbour_probabilities, principal_components, tsne


def groups(count: int, each: int, width: int = 16, spread: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around ``count`` axes, and their groups."""
    rng = np.random.default_rng(0)
    of = np.repeat(np.arange(count), each)
    points = np.eye(width)[of] + rng.normal(0, spread, (count * each, width))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), of


def test_each_point_has_the_asked_number_of_neighbours() -> None:
    probabilities = neighbour_probabilities(groups(3, 20)[0], 7.5)
    entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(1)
    assert np.exp(entropy) == pytest.approx(7.5, rel=1e-6)
    assert probabilities.sum(1) == pytest.approx(1.0)
    assert np.all(np.diag(probabilities) == 0)


def test_neighbours_in_the_plane_are_of_the_same_group() -> None:
    points, of = groups(5, 24)
    order = np.random.default_rng(1).permutation(len(of))
    places = tsne(points[order])
    assert places.shape == (120, 2)
    assert places.dtype == np.float32
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert np.mean(of[order][distances.argmin(1)] == of[order]) == 1.0
    np.testing.assert_array_equal(places, tsne(points[order]))


@pytest.mark.parametrize("points", [np.eye(3, dtype=np.float32), np.ones((5, 4), np.float32)])
def test_few_points_and_equal_points_have_finite_places(points: np.ndarray) -> None:
    assert np.isfinite(tsne(points)).all()


def test_turning_finds_a_turned_and_mirrored_copy() -> None:
    places = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    places -= places.mean(0)
    turned = places @ np.array([[0.6, 0.8], [0.8, -0.6]], np.float32)
    np.testing.assert_allclose(nearest_turn(turned, places), places, atol=1e-5)


def test_principal_components_do_not_depend_on_the_sign_of_the_decomposition() -> None:
    points = groups(2, 10)[0]
    np.testing.assert_allclose(principal_components(points), principal_components(points[:, ::-1]), atol=1e-5)


def test_an_even_selection_keeps_both_ends() -> None:
    assert evenly_drawn(3, 5).tolist() == [0, 1, 2]
    assert evenly_drawn(11, 3).tolist() == [0, 5, 10]
