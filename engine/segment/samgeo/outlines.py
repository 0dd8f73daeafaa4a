"""What models of samgeo return, brought to the contract's form: one mask and one score a keyword."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.segment.contract import Segment
from engine.types import BoolArray, Float32Array


def as_masks(masks: Tensor | npt.ArrayLike, height: int, width: int) -> BoolArray:
    """Masks of any number type, ``(n, H, W)``, ``(n, 1, H, W)``, ``(H, W)`` or empty, to bool ``(n, H, W)``.

    Raises:
        ValueError: masks of another size.
    """
    array = masks.detach().cpu().float().numpy() if isinstance(masks, Tensor) else np.asarray(masks)
    if array.size == 0:
        return np.zeros((0, height, width), np.bool_)
    if array.shape[-2:] != (height, width):
        raise ValueError(f"masks of {array.shape} do not fit a tile of {(height, width)}")
    return np.asarray(array.reshape(-1, height, width) > 0, np.bool_)


def clip_boxes(boxes: Tensor | npt.ArrayLike, height: int, width: int) -> tuple[Float32Array, BoolArray]:
    """Boxes ``(n, 4)`` xyxy in pixels, cut to the tile; and which of them cover a pixel or more ``(n,)``."""
    array = torch.as_tensor(boxes).detach().cpu().float().numpy().reshape(-1, 4)
    clipped = array.clip(0, np.array([width, height, width, height])).astype(np.float32)
    return clipped, np.asarray((clipped[:, 2:] - clipped[:, :2] >= 1).all(1), np.bool_)


def merged(keyword: str, masks: BoolArray, scores: Sequence[float]) -> list[Segment]:
    """All masks ``(n, H, W)`` of one keyword as one segment with the best score; none where nothing is covered."""
    if not len(masks) or not masks.any():
        return []
    return [Segment(keyword, np.asarray(masks.any(0), np.bool_), min(1.0, max(0.0, float(max(scores)))))]
