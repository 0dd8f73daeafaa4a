"""Subimages, the perspectives' source (MPS-CLIP, arXiv 2601.18190): the whole tile, black outside one mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import interpolate

from engine.segment.contract import Segment
from engine.types import BoolArray, UInt8Array


def subimages(tile: UInt8Array, masks: Sequence[BoolArray]) -> UInt8Array:
    """uint8 RGB tile ``(H, W, 3)`` and n masks bool ``(H, W)`` to ``(n, H, W, 3)``, zero outside each mask.

    Raises:
        ValueError: a mask has another size than the tile.
    """
    for mask in masks:
        if mask.shape != tile.shape[:2]:
            raise ValueError(f"a mask of {mask.shape} does not fit a tile of {tile.shape[:2]}")
    if not masks:
        return np.zeros((0, *tile.shape), np.uint8)
    return np.where(np.stack(masks)[..., None], tile[None], np.uint8(0))


def cut_subimages(tile: UInt8Array, segments: Sequence[Segment], side: int) -> UInt8Array:
    """Subimages of the segments of one tile, brought to the model's input: ``(n, side, side, 3)`` uint8.

    Masked at the tile's own resolution and only then resized, so that edges are as soft as those of a resized tile.
    """
    full = subimages(tile, [segment.mask for segment in segments])
    if not segments or full.shape[1:3] == (side, side):
        return full
    pixels = torch.from_numpy(full).permute(0, 3, 1, 2).float()  # (n, 3, H, W)
    resized = interpolate(pixels, (side, side), mode="bilinear", antialias=True).round().clamp(0, 255)
    return resized.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
