"""Recall is held against naive versions: full sorting without ties, enumeration of all orders with ties."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from engine.evaluate.retrieval import evaluate_embeddings, recalls


def naive_recall(scores: np.ndarray, relevant: np.ndarray, k: int) -> float:
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return 100.0 * float(np.take_along_axis(relevant, order, 1).any(1).mean())


def enumerated_recall(scores: np.ndarray, relevant: np.ndarray, k: int) -> float:
    """Mean over all orders of the items, each broken towards the earlier one."""
    orders = [list(p) for p in permutations(range(scores.shape[1]))]
    return float(np.mean([naive_recall(scores[:, o], relevant[:, o], k) for o in orders]))


def one_relevant_or_more(random: np.random.Generator, queries: int, items: int) -> np.ndarray:
    relevant = random.random((queries, items)) < 0.2
    relevant[np.arange(queries), random.integers(items, size=queries)] = True
    return relevant


def test_without_ties_equals_full_sorting() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(200, 300)).astype(np.float32)
    relevant = random.random((200, 300)) < 0.01
    relevant[:, 0] = True
    found = recalls(scores, relevant, (1, 5, 10))
    naive = [naive_recall(scores, relevant, k) for k in (1, 5, 10)]
    assert found.expected == pytest.approx(naive, abs=1e-9)
    assert found.pessimistic == pytest.approx(naive, abs=1e-9)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 6])
def test_with_ties_equals_the_mean_over_all_orders(k: int) -> None:
    random = np.random.default_rng(1)
    scores = random.integers(0, 3, (12, 6)).astype(np.float32)
    relevant = one_relevant_or_more(random, 12, 6)
    assert recalls(scores, relevant, (k,)).expected[0] == pytest.approx(
        enumerated_recall(scores, relevant, k), abs=1e-9
    )


def test_pessimistic_puts_irrelevant_ties_ahead() -> None:
    scores = np.array([[1.0, 1.0, 0.0]], np.float32)
    relevant = np.array([[False, True, False]])
    found = recalls(scores, relevant, (1, 2))
    assert found.expected == (50.0, 100.0)
    assert found.pessimistic == (0.0, 100.0)


def test_report_of_a_perfect_model_is_a_hundred_everywhere() -> None:
    images = np.eye(12, dtype=np.float32)
    owner = np.repeat(np.arange(12), 5)
    report = evaluate_embeddings(images, images[owner], owner, "m", "val")
    assert report.t2i.expected == (100.0, 100.0, 100.0)
    assert report.i2t.expected == (100.0, 100.0, 100.0)
    assert report.rsum == 600.0
    assert report.to_json()["mR"] == 100.0


def test_report_of_chance_is_k_over_n_for_text_to_image() -> None:
    images = np.ones((20, 4), np.float32)
    owner = np.arange(20)
    report = evaluate_embeddings(images, images, owner, "m", "val")
    assert report.t2i.expected == pytest.approx((5.0, 25.0, 50.0))
    assert report.t2i.pessimistic == (0.0, 0.0, 0.0)
