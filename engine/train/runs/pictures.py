"""Pictures from files to a network's input, and what a loader process says where it cannot go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.errors import UsageError
from engine.types import UInt8Array

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Problem:
    """What kept a loader process from making an item; an exception of ours would arrive as another one."""

    problem: str
    remedy: str


def read_picture(path: Path, side: int | None = None) -> UInt8Array:
    """uint8 RGB ``(H, W, 3)`` of an image file; with ``side`` brought to ``(side, side)``.

    Raises:
        UsageError: the file cannot be read as a picture.
    """
    try:
        with Image.open(path) as picture:
            rgb = np.array(picture.convert("RGB"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read as a picture.", "Mend the data folder.", path=str(path)) from error
    return rgb if side is None else squared(rgb, side)


def squared(pixels: UInt8Array, side: int) -> UInt8Array:
    """uint8 RGB ``(H, W, 3)`` to ``(side, side, 3)``, bicubic; one of that size as it is."""
    if pixels.shape[:2] == (side, side):
        return pixels
    return np.array(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))


def standardise(images: Tensor, mean: Any, std: Any) -> Tensor:
    """uint8 ``(…, 3, H, W)`` to float32 with the model's mean and deviation (of RGB in [0, 1])."""
    shape = (3, 1, 1)
    shift = torch.tensor(mean, device=images.device).view(shape)
    scale = torch.tensor(std, device=images.device).view(shape)
    return (images.float() / 255 - shift) / scale


def spread(items: Sequence[Item], limit: int | None) -> list[Item]:
    """At most ``limit`` of them at even distances: files are often sorted by scene."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[i * len(items) // limit] for i in range(limit)]
