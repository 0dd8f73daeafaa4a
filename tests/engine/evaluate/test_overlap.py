"""Overlap of categories is held against a naive version, chance, and the mean over all orders of equals."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from engine.errors import UsageError
from engine.evaluate.overlap import category_overlap, chance_overlap
from engine.types import Float32Array, IntArray


def naive(embeddings: Float32Array, labels: IntArray, k: int, order: tuple[int, ...] | None = None) -> float:
    """Full sorting, image by image; of equals the first in ``order`` is the nearest."""
    rank = np.argsort(order) if order is not None else np.arange(len(labels))
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    shares: dict[int, list[float]] = {}
    for i, label in enumerate(labels):
        others = [j for j in range(len(labels)) if j != i]
        near = sorted(others, key=lambda j: (-round(float(unit[i] @ unit[j]), 5), rank[j]))
        places = min(k, int((labels == label).sum()) - 1)
        if places:
            shares.setdefault(int(label), []).append(float(np.mean(labels[near[:places]] != label)))
    return float(np.mean([np.mean(of_one) for of_one in shares.values()]))


def test_equals_full_sorting_with_categories_of_any_size() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3, 4], [30, 12, 4, 2, 1])
    embeddings = (random.normal(size=(49, 6)) + random.normal(size=(5, 6))[labels]).astype(np.float32)
    for k in (1, 3, 10):
        assert category_overlap(embeddings, labels, k) == pytest.approx(naive(embeddings, labels, k), abs=1e-9)


def test_equally_near_neighbours_count_as_if_drawn_at_random() -> None:
    embeddings = np.array([[1, 0], [1, 0], [2, 0], [0, 1], [0, 3], [1, 0]], np.float32)
    labels = np.array([0, 0, 1, 1, 1, 0])
    orders = [naive(embeddings, labels, 2, order) for order in permutations(range(6))]
    assert category_overlap(embeddings, labels, 2) == pytest.approx(np.mean(orders), abs=1e-9)


def test_separate_categories_do_not_overlap_and_collapsed_embeddings_are_at_chance() -> None:
    labels = np.repeat([0, 1, 2], [20, 8, 3])
    assert category_overlap(np.eye(3, dtype=np.float32)[labels], labels) == 0.0
    collapsed = np.ones((31, 4), np.float32)
    assert category_overlap(collapsed, labels) == pytest.approx(chance_overlap(labels), abs=1e-9)
    assert chance_overlap(labels) == pytest.approx((11 / 30 + 23 / 30 + 28 / 30) / 3)


def test_grows_as_categories_spread_and_does_not_depend_on_order_length_or_unlabelled_images() -> None:
    random = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2, 3], 40)
    centres, noise = random.normal(size=(4, 16)), random.normal(size=(160, 16))
    found = [category_overlap((centres[labels] + s * noise).astype(np.float32), labels) for s in (0.3, 1.0, 2.0, 30.0)]
    assert found == sorted(found) and found[0] < 0.01
    assert found[3] == pytest.approx(chance_overlap(labels), abs=0.06)
    mixed = random.permutation(160)
    embeddings = ((centres[labels] + noise)[mixed] * random.uniform(1, 9, (160, 1))).astype(np.float32)
    unlabelled = np.concatenate([embeddings, random.normal(size=(50, 16)).astype(np.float32)])
    known = np.concatenate([labels[mixed], np.full(50, -1)])
    assert category_overlap(unlabelled, known) == pytest.approx(found[1], abs=1e-6)


def test_without_two_images_of_a_category_the_remedy_is_named() -> None:
    with pytest.raises(UsageError, match=r"none of the 2 labelled images.* scene labels"):
        category_overlap(np.eye(3, dtype=np.float32), np.array([0, 1, -1]))
