"""A retrieval model whose answers are known: it sees what share of a picture each ground colour has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, normalize

from engine.models.contract import ModelIdentity, RetrievalModel
from engine.types import UInt8Array

GROUND = {
    "moss": (40, 160, 60),
    "water": (30, 60, 200),
    "sand": (230, 210, 130),
    "brick": (190, 50, 40),
    "snow": (250, 250, 250),
    "asphalt": (60, 60, 60),
}
NAMES = tuple(GROUND)


class ColourModel(RetrievalModel):
    """Embeds a picture as the shares of its pixels nearest to each colour of :data:`GROUND`, a text as the mean of the
    unit vectors of the nouns in it; a text without any is like no picture.
    """

    image_size = 64
    embed_dim = len(NAMES)
    device = torch.device("cpu")

    def __init__(self, weights: str = "1") -> None:
        self.identity = ModelIdentity("colour", "nearest-colour", weights, "64px")
        self.encoded = 0
        self._palette = torch.tensor(list(GROUND.values()), dtype=torch.float32)

    def preprocess(self, images: UInt8Array | Tensor) -> Tensor:
        pixels = torch.as_tensor(np.asarray(images)).permute(0, 3, 1, 2).float()
        return interpolate(pixels, (self.image_size, self.image_size), mode="nearest")

    def encode_images(self, images: Tensor) -> Tensor:
        self.encoded += len(images)
        return normalize(self._shares(images).mean((2, 3)), dim=1)

    def encode_patches(self, images: Tensor) -> Tensor:
        return normalize(adaptive_avg_pool2d(self._shares(images), 16).permute(0, 2, 3, 1), dim=3)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        return normalize(torch.tensor([[float(name in text.lower()) for name in NAMES] for text in texts]), dim=1)

    def _shares(self, images: Tensor) -> Tensor:
        """One-hot of the nearest colour, (B, E, H, W)."""
        distance = (images[:, None] - self._palette[None, :, :, None, None]).square().sum(2)
        return torch.nn.functional.one_hot(distance.argmin(1), self.embed_dim).permute(0, 3, 1, 2).float()


def ground(cells: Sequence[Sequence[str]], cell: int = 64) -> UInt8Array:
    """A picture ``(3, H, W)`` of square cells, each of one colour of :data:`GROUND`."""
    colours = np.array([[GROUND[name] for name in row] for row in cells], dtype=np.uint8)  # (h, w, 3)
    return np.ascontiguousarray(colours.repeat(cell, 0).repeat(cell, 1).transpose(2, 0, 1))
