"""Image structure for relevance maps: superpixels, and maps that are constant on each."""

from __future__ import annotations

import numpy as np
from skimage.segmentation import slic

from engine.types import Float32Array, IntArray, UInt8Array


def superpixels(image: UInt8Array, count: int, compactness: float) -> IntArray:
    """Labels ``(H, W)`` from 0, without gaps, of about ``count`` connected superpixels of an RGB image ``(H, W, 3)``.

    SLIC (Achanta et al., TPAMI 34, 2012) in CIELAB; ``compactness`` weighs nearness against colour.
    """
    labels = slic(image, n_segments=count, compactness=compactness, sigma=1.0, start_label=0, channel_axis=-1)
    _, dense = np.unique(labels, return_inverse=True)
    return dense.reshape(image.shape[:2]).astype(np.int64)


def superpixel_means(values: Float32Array, labels: IntArray) -> Float32Array:
    """Mean of ``values`` ``(H, W)`` over each superpixel: ``(S,)``."""
    flat = labels.ravel()
    sums = np.bincount(flat, weights=values.ravel())
    return (sums / np.bincount(flat)).astype(np.float32)
