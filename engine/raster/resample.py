"""Resampling that keeps pixels without data from darkening their neighbours."""

from __future__ import annotations

import numpy as np
from PIL import Image

from engine.types import BoolArray, Float32Array

_LEAST_COVER = 1e-3  # below this share of valid area an output pixel counts as empty


def resize_masked(
    channels: Float32Array, valid: BoolArray, height: int, width: int
) -> tuple[Float32Array, Float32Array]:
    """Channels ``(k, H, W)`` and validity ``(H, W)`` to ``(k, height, width)`` and cover ``(height, width)`` in [0, 1].

    Area means when shrinking, bilinear when enlarging, over valid pixels only (normalised convolution: Knutsson and
    Westin 1993). Pixels with no valid area are 0.
    """
    values = channels * valid
    if valid.shape == (height, width):
        return values, valid.astype(np.float32)
    if valid.all():
        return np.stack([_resize(plane, height, width) for plane in values]), np.ones((height, width), np.float32)
    cover = np.clip(_resize(valid.astype(np.float32), height, width), 0.0, 1.0)
    weight = np.divide(1.0, cover, out=np.zeros_like(cover), where=cover > _LEAST_COVER)
    return np.stack([_resize(plane, height, width) * weight for plane in values]), cover


def _resize(plane: Float32Array, height: int, width: int) -> Float32Array:
    shrinks = plane.shape[0] >= height and plane.shape[1] >= width
    # Pillow's bilinear filter widens itself when it shrinks, so it also serves one axis up and one down.
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(plane, mode=None).resize((width, height), method), dtype=np.float32)
