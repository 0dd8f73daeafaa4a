"""t-SNE (van der Maaten and Hinton, JMLR 9, 2008), exact: for some thousand points, with NumPy alone.

Numbers are reproducible: the start is the first two principal components, and nothing is drawn at random.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.types import Float32Array, Float64Array, IntArray

PERPLEXITY = 30.0
_STEPS = 750
_EXAGGERATION = 12.0
_EXAGGERATED_STEPS = 200
_START_DEVIATION = 1e-2  # small, so that the first steps arrange and not the start
_LEAST_PROBABILITY = 1e-12


def tsne(points: Float32Array, perplexity: float = PERPLEXITY) -> Float32Array:
    """Places in the plane: points that are near each other stay so; distances between far groups mean nothing.

    Memory and time grow with the square of B: 1,000 points take 5 s of one core, 2,500 half a minute.

    Args:
        points: ``(B, E)``, B at least 3; embeddings of unit length are compared by their cosines, since the squared
            distance is 2 - 2 cos.
        perplexity: how many neighbours a point has, softly; at most a third of the other points is used.

    Returns:
        float32 ``(B, 2)``, mean 0.
    """
    count = len(points)
    near = neighbour_probabilities(points, fitting_perplexity(count, perplexity))  # (B, B)
    joint = np.maximum((near + near.T) / (2 * count), _LEAST_PROBABILITY).astype(np.float32)
    places = principal_components(points)
    places *= _START_DEVIATION / max(float(places[:, 0].std()), 1e-12)
    rate = max(count / _EXAGGERATION / 4, 50.0)  # Belkina et al., Nature Communications 10, 2019
    velocity, gains = np.zeros_like(places), np.ones_like(places)
    for step in range(_STEPS):
        early = step < _EXAGGERATED_STEPS
        gradient = _gradient(joint, places, _EXAGGERATION if early else 1.0)
        same = np.sign(gradient) == np.sign(velocity)
        gains = np.maximum(np.where(same, gains * 0.8, gains + 0.2), 0.01).astype(np.float32)
        velocity = (0.5 if early else 0.8) * velocity - rate * gains * gradient
        places += velocity
        places -= places.mean(0)
    return places


def fitting_perplexity(count: int, perplexity: float = PERPLEXITY) -> float:
    """What is used with ``count`` points: at most a third of the others."""
    return min(perplexity, (count - 1) / 3)


def principal_components(points: Float32Array) -> Float32Array:
    """The first two, float32 ``(B, 2)``, each with its largest coordinate positive; zeros where there are fewer."""
    centred = points.astype(np.float32) - points.mean(0, dtype=np.float32)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(points), 2), np.float32)
    places[:, : len(values)] = (left * values)[:, :2]
    largest = places[np.abs(places).argmax(0), [0, 1]]
    return places * np.where(largest < 0, -1, 1).astype(np.float32)


def neighbour_probabilities(points: Float32Array, perplexity: float) -> Float64Array:
    """Gaussian affinities ``(B, B)``, each row of the given perplexity and with sum 1, the diagonal 0."""
    squares = _squared_distances(points.astype(np.float64))  # (B, B)
    count = len(squares)
    others = squares[~np.eye(count, dtype=bool)].reshape(count, count - 1)
    others -= others.min(1, keepdims=True)  # scales cancel; keeps the exponentials in range
    low = np.zeros((count, 1))
    high = np.full((count, 1), np.inf)
    precision = 1 / np.maximum(others.mean(1, keepdims=True), 1e-12)
    for _ in range(60):  # bisection: the entropy falls with the precision
        weights = np.exp(-others * precision)
        total = weights.sum(1, keepdims=True)
        entropy = np.log(total) + precision * (others * weights).sum(1, keepdims=True) / total
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, precision, low), np.where(wide, high, precision)
        precision = np.where(np.isinf(high), precision * 2, (low + np.minimum(high, 1e300)) / 2)
    out = np.zeros((count, count))
    out[~np.eye(count, dtype=bool)] = (weights / total).ravel()
    return out


def nearest_turn(places: Float32Array, to: Float32Array) -> Float32Array:
    """``places`` ``(B, 2)`` turned and mirrored to lie as near to ``to`` ``(B, 2)`` as they can: distances stay."""
    left, _, right = np.linalg.svd((places - places.mean(0)).T @ (to - to.mean(0)))
    turned: Float32Array = (places @ (left @ right)).astype(np.float32)
    return turned


def evenly_drawn(count: int, most: int) -> IntArray:
    """At most ``most`` of the numbers below ``count``, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def _gradient(joint: Float32Array, places: Float32Array, exaggeration: float) -> Float32Array:
    """Of the Kullback-Leibler divergence to Student's t similarities of the places, ``(B, 2)``."""
    near = _squared_distances(places)
    near += 1
    np.reciprocal(near, out=near)
    np.fill_diagonal(near, 0)
    pull = exaggeration * joint - near / near.sum()
    pull *= near
    gradient: Float32Array = 4 * (pull.sum(1, keepdims=True) * places - pull @ places)
    return gradient


def _squared_distances(points: Any) -> Any:
    """``(B, 2)`` or ``(B, E)`` to ``(B, B)``, in the points' own precision."""
    norms = (points**2).sum(1)
    return np.maximum(norms[:, None] + norms[None] - 2 * points @ points.T, 0)
