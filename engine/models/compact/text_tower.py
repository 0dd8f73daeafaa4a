"""A BERT-style sentence encoder with mean pooling (all-MiniLM-L6-v2: 6 layers, width 384, 12 heads).

``nn.TransformerEncoder`` in its post-norm form computes exactly a BERT encoder, so the transformers package is not
needed at run time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class TextTowerConfig:
    """Sizes of the tower; ``positions`` is the longest text in word pieces."""

    vocabulary: int
    positions: int = 128
    width: int = 384
    layers: int = 6
    heads: int = 12
    feed_forward: int = 1536
    dropout: float = 0.1


class TextTower(nn.Module):
    """Token ids ``(B, L)`` with mask ``(B, L)`` (True: a token) to features ``(B, 384)``, the mean over the tokens."""

    def __init__(self, config: TextTowerConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.positions, config.width)
        self.norm = nn.LayerNorm(config.width, eps=1e-12)
        self.dropout = nn.Dropout(config.dropout)
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.heads,
            config.feed_forward,
            config.dropout,
            activation="gelu",
            layer_norm_eps=1e-12,
            batch_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        place = torch.arange(ids.shape[1], device=ids.device)
        x = self.dropout(self.norm(self.words(ids) + self.positions(place)))  # (B, L, D)
        x = self.encoder(x, src_key_padding_mask=~mask)
        weights = mask.to(x).unsqueeze(-1)
        mean: Tensor = (x * weights).sum(1) / weights.sum(1).clamp_min(1.0)
        return mean
