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

    Args:
        scores: ``(Q, N)``.
        relevant: bool ``(Q, N)``; each query has at least one relevant item.
    """
    return mean_recalls(*chances(scores, relevant, ks))


def chances(
    scores: Float32Array | Float64Array, relevant: BoolArray, ks: tuple[int, ...] = KS
) -> tuple[Float64Array, BoolArray]:
    """Of each query, the probability ``(Q, K)`` that it counts at each k, and whether it surely does, ``(Q, K)`` bool.

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
    expected = np.array(
        [[_chance(k - int(g), int(t), int(r)) for k in ks] for g, t, r in zip(ahead, ties, good, strict=True)]
    )
    return expected.reshape(-1, len(ks)), (ahead + ties - good)[:, None] < np.array(ks)


def mean_recalls(expected: Float64Array, sure: BoolArray) -> Recalls:
    """Recalls of queries whose :func:`chances` are given."""
    return Recalls(tuple((100 * expected.mean(0)).tolist()), tuple((100 * sure.mean(0)).tolist()))


def _chance(places: int, ties: int, good: int) -> float:
    if places <= 0:
        return 0.0
    if places >= ties:
        return 1.0
    return 1.0 - comb(ties - good, places) / comb(ties, places)


@dataclass(frozen=True, slots=True)
class Queries:
    """The chances of every image and of every caption as a query, as :func:`chances` gives them.

    Attributes:
        i2t: of the images ``(B, K)``.
        t2i: of the captions ``(T, K)``.
        image_of_text: int64 ``(T,)``.
    """

    i2t: tuple[Float64Array, BoolArray]
    t2i: tuple[Float64Array, BoolArray]
    image_of_text: IntArray

    def report(self, model: str, split: str) -> RetrievalReport:
        """The recalls of all."""
        return RetrievalReport(model, split, mean_recalls(*self.i2t), mean_recalls(*self.t2i))

    def of_images(self, chosen: BoolArray) -> tuple[Recalls, Recalls]:
        """Recalls of these images ``(B,)`` and of their captions as queries, in the whole gallery."""
        texts = chosen[self.image_of_text]
        (images_expected, images_sure), (texts_expected, texts_sure) = self.i2t, self.t2i
        return (
            mean_recalls(images_expected[chosen], images_sure[chosen]),
            mean_recalls(texts_expected[texts], texts_sure[texts]),
        )

    def image_means(self) -> Float64Array:
        """What each image adds to mR, percent ``(B,)``: their mean is mR where images have equally many captions."""
        captions = np.bincount(self.image_of_text, minlength=len(self.i2t[0]))
        texts = np.bincount(self.image_of_text, self.t2i[0].mean(1), len(captions))
        means: Float64Array = 50 * (self.i2t[0].mean(1) + texts / np.maximum(captions, 1))
        return means


def query_embeddings(images: Float32Array, texts: Float32Array, image_of_text: IntArray) -> Queries:
    """Each image embedding ``(B, E)`` asks all caption embeddings ``(T, E)``, and each caption all images.

    Equal captions must share one embedding (encode distinct strings once), else rounding decides their order.

    Args:
        images: ``(B, E)``.
        texts: ``(T, E)``.
        image_of_text: int64 ``(T,)``, whose each caption is; every image has one.
    """
    scores = images.astype(np.float32) @ texts.astype(np.float32).T  # (B, T)
    relevant = np.arange(len(images))[:, None] == image_of_text[None, :]
    return Queries(chances(scores, relevant), chances(scores.T, relevant.T), image_of_text)


def evaluate_embeddings(
    images: Float32Array,
    texts: Float32Array,
    image_of_text: IntArray,
    model: str,
    split: str,
) -> RetrievalReport:
    """The recalls of :func:`query_embeddings`, same arguments."""
    return query_embeddings(images, texts, image_of_text).report(model, split)
