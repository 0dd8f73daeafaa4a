"""A small real dual encoder with known truth: patches are embedded by colour, texts by the colour they name."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, normalize, one_hot, pad

from engine.models.contract import ModelIdentity, RetrievalModel
from engine.types import UInt8Array

PALETTE = {
    "green": (40, 160, 60), "red": (190, 40, 40), "blue": (30, 60, 200), "yellow": (230, 220, 60),
    "white": (245, 245, 245), "black": (15, 15, 15), "purple": (150, 40, 170), "pink": (250, 150, 190),
}  # fmt: skip
NAMES = tuple(PALETTE)


class TintModel(RetrievalModel):
    """Patches are the mean one-hot of the nearest palette colour over a cell, displaced by ``offset`` cells."""

    image_size = 112
    embed_dim = len(NAMES)
    device = torch.device("cpu")
    cell = 16

    def __init__(self, offset: float = 0.0) -> None:
        self.identity = ModelIdentity("tint", "nearest-colour", "-", "112px")
        self.offset = offset
        self.encoded_images = 0
        self.encoded_texts: list[str] = []
        self._palette = torch.tensor(list(PALETTE.values()), dtype=torch.float32)

    def preprocess(self, images: UInt8Array | Tensor) -> Tensor:
        pixels = torch.as_tensor(np.asarray(images)).permute(0, 3, 1, 2).float()
        return interpolate(pixels, (self.image_size, self.image_size), mode="nearest")

    def encode_images(self, images: Tensor) -> Tensor:
        return normalize(self._shares(images).mean((2, 3)), dim=1)

    def encode_patches(self, images: Tensor) -> Tensor:
        self.encoded_images += len(images)
        shares = self._shares(images)
        move = round(self.offset * self.cell)
        margin = abs(move)
        wide = pad(shares, (margin,) * 4, mode="replicate")
        moved = wide[:, :, margin + move :, margin + move :][:, :, : self.image_size, : self.image_size]
        return normalize(avg_pool2d(moved, self.cell).permute(0, 2, 3, 1), dim=-1)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        self.encoded_texts += texts
        return torch.stack([self._text(text) for text in texts])

    def _text(self, text: str) -> Tensor:
        named = [i for i, name in enumerate(NAMES) if name in text.split()]
        i = named[0] if named else zlib.crc32(text.encode()) % len(NAMES)
        return one_hot(torch.tensor(i), len(NAMES)).float()

    def _shares(self, images: Tensor) -> Tensor:
        distance = (images[:, None] - self._palette[None, :, :, None, None]).square().sum(2)
        return one_hot(distance.argmin(1), len(NAMES)).permute(0, 3, 1, 2).float()


@pytest.fixture
def model() -> TintModel:
    return TintModel()
