"""Recall at k for cross-modal retrieval, exact under ties.

Captions are shared between images, so equal scores are common. The headline figure is the expected value when ties are
broken at random, in closed form; the pessimistic figure puts every irrelevant tie ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from engine.types import BoolArray, Float32Array, Float64Array, IntArray

KS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class Recalls:
    """R@1, R@5, R@10 in percent of one direction: expected under random ties, and pessimistic."""

    expected: tuple[float, ...]
    pessimistic: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """Both directions; mR is the mean of the six recalls, Rsum their sum, all in percent."""

    model: str
    split: str
    i2t: Recalls
    t2i: Recalls

    @property
    def rsum(self) -> float:
        return sum(self.i2t.expected) + sum(self.t2i.expected)

    @property
    def mean_recall(self) -> float:
        return self.rsum / 6

    @property
    def pessimistic_mean_recall(self) -> float:
        return (sum(self.i2t.pessimistic) + sum(self.t2i.pessimistic)) / 6

    def to_json(self) -> dict[str, Any]:
        def named(values: tuple[float, ...]) -> dict[str, float]:
            return {f"R@{k}": round(v, 4) for k, v in zip(KS, values, strict=True)}

        return {
            "model": self.model,
            "split": self.split,
            "i2t": named(self.i2t.expected),
            "t2i": named(self.t2i.expected),
            "mR": round(self.mean_recall, 4),
            "Rsum": round(self.rsum, 4),
            "mR_pessimistic": round(self.pessimistic_mean_recall, 4),
        }


def recalls(scores: Float32Array | Float64Array, relevant: BoolArray, ks: tuple[int, ...] = KS) -> Recalls:
    """Recall at each k: a query counts when one of its relevant items is among the first k.

    Only the relevant items with the query's best relevant score matter. Let G items score higher, t items tie there and
    r of these be relevant; with m = k - G places left, the query counts with probability 1 - C(t-r, m) / C(t, m).

    Args:
        scores: ``(Q, N)``.
        relevant: bool ``(Q, N)``; each query has at least one relevant item.
    """
    best = np.where(relevant, scores, -np.inf).max(1, keepdims=True)
    ahead = (scores > best).sum(1)
    tied = scores == best
    ties = tied.sum(1)
    good = (tied & relevant).sum(1)
    expected: list[float] = []
    pessimistic: list[float] = []
    for k in ks:
        chances = [_chance(k - int(g), int(t), int(r)) for g, t, r in zip(ahead, ties, good, strict=True)]
        expected.append(100.0 * float(np.mean(chances)))
        pessimistic.append(100.0 * float(np.mean(ahead + ties - good < k)))
    return Recalls(tuple(expected), tuple(pessimistic))


def _chance(places: int, ties: int, good: int) -> float:
    if places <= 0:
        return 0.0
    if places >= ties:
        return 1.0
    return 1.0 - comb(ties - good, places) / comb(ties, places)


def evaluate_embeddings(
    images: Float32Array,
    texts: Float32Array,
    image_of_text: IntArray,
    model: str,
    split: str,
) -> RetrievalReport:
    """Report from image embeddings ``(B, E)`` and caption embeddings ``(T, E)``; ``image_of_text`` ``(T,)`` says whose.

    Equal captions must share one embedding (encode distinct strings once), else rounding decides their order.
    """
    scores = images.astype(np.float32) @ texts.astype(np.float32).T  # (B, T)
    relevant = np.arange(len(images))[:, None] == image_of_text[None, :]
    return RetrievalReport(model, split, recalls(scores, relevant), recalls(scores.T, relevant.T))
