"""RSICD (Lu et al., IEEE TGRS 2018): 10,921 aerial images of 224 x 224 px with five captions each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from engine.errors import UsageError
from engine.types import UInt8Array

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """One image; ``scene`` is one of 30 names or None; ``paraphrases`` are further wordings (not in test)."""

    path: Path
    scene: str | None
    captions: tuple[str, ...]
    paraphrases: tuple[str, ...]


def read_split(folder: Path, split: str) -> list[CaptionedImage]:
    """The images of a split in file order: ``folder/SPLIT.jsonl`` lists them, one JSON object a line.

    Raises:
        UsageError: the folder does not hold the split.
    """
    listing = folder / f"{split}.jsonl"
    if split not in SPLITS or not listing.is_file():
        raise UsageError(
            f"{folder} has no RSICD split {split!r}.",
            f"Give the folder that holds {', '.join(f'{s}.jsonl' for s in SPLITS)} and images/ with --data.",
            folder=str(folder),
            split=split,
        )
    with listing.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        CaptionedImage(folder / row["image"], row["scene"], tuple(row["captions"]), tuple(row.get("paraphrases", ())))
        for row in rows
    ]


def load_pixels(images: Sequence[CaptionedImage], side: int = 224) -> UInt8Array:
    """All images as uint8 RGB ``(B, side, side, 3)``; those of another size are resized."""
    out = np.empty((len(images), side, side, 3), np.uint8)
    for i, image in enumerate(images):
        with Image.open(image.path) as picture:
            rgb = picture.convert("RGB")
            out[i] = np.asarray(rgb if rgb.size == (side, side) else rgb.resize((side, side), Image.Resampling.BICUBIC))
    return out
