"""Patch embeddings of a tile on a grid finer than the model's own: overlapping windows of it, seen enlarged.

A model whose cells are a seventh of its input cannot tell a court from the trees beside it; of windows half as wide
as the tile its cells are half as large, and what is small fills them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.models.contract import RetrievalModel
from engine.types import Float32Array, UInt8Array

_WINDOWS_PER_BATCH = 64
_RIM = 0.02  # weight of a window's patches at its very rim, where only one window reaches


@torch.inference_mode()
def dense_features(
    model: RetrievalModel,
    tiles: UInt8Array,
    zoom: float,
    windows: int,
    offset: tuple[float, float] = (0.0, 0.0),
    windows_per_batch: int = _WINDOWS_PER_BATCH,
) -> Tensor:
    """uint8 RGB tiles ``(B, H, W, 3)`` to patch embeddings ``(B, h, w, E)``, float32, on the CPU.

    Cell (i, j) is centred on ((i + 0.5) / h, (j + 0.5) / w) of the tile; there are 2 * ``zoom`` times as many along an
    axis as the model's patches. Each is the mean of the patches around it in all windows, interpolated, weighted with
    a Hann window so that no seams show; it is not normalised.

    Args:
        model: what encodes.
        tiles: one batch of equal size.
        zoom: side of the tile in sides of a window.
        windows: along each axis, evenly spread from edge to edge; cost grows with the square.
        offset: displacement of the patches' receptive fields in cells (:func:`engine.segment.alignment.patch_offset`).
        windows_per_batch: how many go through the model at once.

    Raises:
        ValueError: the windows would not cover the tile.
    """
    if zoom < 1 or windows < zoom:
        raise ValueError(f"{windows} windows along an axis do not cover a tile at zoom {zoom:g}")
    height, width = tiles.shape[1:3]
    rows, tall = _starts(height, zoom, windows)
    cols, wide = _starts(width, zoom, windows)
    cut = [tiles[:, y : y + tall, x : x + wide] for y in rows for x in cols]
    per_call = max(1, windows_per_batch // len(tiles))
    parts = []
    for first in range(0, len(cut), per_call):
        some = np.concatenate(cut[first : first + per_call])
        parts.append(model.encode_patches(model.preprocess(some)).float().cpu())
    patches = torch.cat(parts)
    h, w = patches.shape[1:3]
    patches = patches.view(windows, windows, len(tiles), h, w, model.embed_dim)
    down = blending_weights([y / height for y in rows], tall / height, h, offset[0], round(2 * zoom * h))
    across = blending_weights([x / width for x in cols], wide / width, w, offset[1], round(2 * zoom * w))
    mixed = torch.einsum("iyp,yxbpqe->bixqe", torch.from_numpy(down), patches)
    return torch.einsum("jxq,bixqe->bije", torch.from_numpy(across), mixed)


def blending_weights(starts: list[float], side: float, patches: int, offset: float, cells: int) -> Float32Array:
    """What each cell takes of each window's patches along one axis: ``(cells, windows, patches)``, sum 1 a cell.

    Args:
        starts: where the windows begin, the tile's side being 1.
        side: of a window.
        patches: along a window.
        offset: of the patches' receptive fields in patches.
        cells: along the tile.
    """
    centres = (np.arange(cells) + 0.5) / cells
    within = (centres[:, None] - np.asarray(starts)) / side  # (cells, windows), 0 to 1 inside
    place = (within * patches - 0.5 - offset).clip(0, patches - 1)
    nearness = (1 - np.abs(place[..., None] - np.arange(patches))).clip(0, None)  # linear interpolation
    hann = np.where((within >= 0) & (within <= 1), np.sin(np.pi * within) ** 2 + _RIM, 0.0)
    weights = nearness * hann[..., None]
    return np.asarray(weights / weights.sum((1, 2), keepdims=True), np.float32)


def _starts(length: int, zoom: float, windows: int) -> tuple[list[int], int]:
    """Where windows begin along an axis of ``length`` pixels, and their side."""
    side = max(1, -int(-length // zoom))
    return np.linspace(0, length - side, windows).round().astype(int).tolist(), side
