"""Relevance spread among superpixels that look alike: a thing is of one colour, the map of a coarse model is not.

Random walk with restart on the complete graph of superpixels (Zhou et al., "Learning with local and global
consistency", NIPS 2003): each keeps part of its own relevance and takes the rest from those that are near it in
colour, texture and place.
"""

from __future__ import annotations

import numpy as np
from skimage.color import rgb2lab

from engine.segment.superpixels import superpixel_means
from engine.types import Float32Array, IntArray, UInt8Array


def affinities(image: UInt8Array, labels: IntArray, colour: float, reach: float) -> Float32Array:
    """How much each superpixel heeds each other one: ``(S, S)``, rows of sum 1 (0 for one that resembles none).

    Gaussians of the distance in appearance (mean CIELAB and the deviation of lightness) and in place, times the
    other's size; none of itself.

    Args:
        image: RGB ``(H, W, 3)``.
        labels: superpixels ``(H, W)``.
        colour: deviation of the first Gaussian, in units of CIELAB.
        reach: that of the second, in shares of the longer side.
    """
    height, width = labels.shape
    lab = rgb2lab(image).astype(np.float32)
    lightness, a, b = (superpixel_means(lab[..., i], labels) for i in range(3))
    variance = superpixel_means(lab[..., 0] ** 2, labels) - lightness**2
    texture = np.sqrt(variance.clip(0.0, None)).astype(np.float32)
    y, x = (superpixel_means(axis.astype(np.float32), labels) for axis in np.mgrid[:height, :width])
    appearance = np.asarray(np.stack([lightness, a, b, texture], 1) / colour, np.float32)
    place = np.asarray(np.stack([y, x], 1) / (reach * max(height, width)), np.float32)
    weights = np.exp(-0.5 * (_distances(appearance) + _distances(place))) * np.bincount(labels.ravel())
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights / (weights.sum(1, keepdims=True) + 1e-9), np.float32)


def diffused(values: Float32Array, weights: Float32Array, shared: float) -> Float32Array:
    """Values ``(S,)`` after the walk: v with v = (1 - shared) * values + shared * weights v."""
    system = np.eye(len(values)) - shared * weights.astype(np.float64)
    return np.linalg.solve(system, (1 - shared) * values).astype(np.float32)


def _distances(points: Float32Array) -> Float32Array:
    """Squared, between all pairs: ``(S, D)`` to ``(S, S)``."""
    return np.asarray(((points[:, None] - points[None]) ** 2).sum(-1), np.float32)
