"""Transformer blocks with G²A adapters (MPS-CLIP, arXiv 2601.18190) on the tokens of a convolutional tower.

The tower's tokens see little beyond their own surroundings; here every one sees the whole tile. The blocks work at a
width of their own, since one block at the tower's 1,280 channels would be larger than the whole file that ships.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.models.mps_clip.g2_adapter import G2Adapter

HEADS = 8


class TokenBlocks(nn.Module):
    """``y = x + Up(norm(blocks(Down(x))))``; a block is pre-norm self-attention and MLP, followed by an adapter.

    Up starts at zero, so that fresh blocks leave every token as it is, to the last bit.

    Args:
        channels: of the tokens.
        width: of the blocks, a multiple of 8.
        layers: how many blocks.
        bottleneck: of the adapters, a multiple of 8; 0: blocks without adapters.
        dropout: of the blocks.
    """

    def __init__(self, channels: int, width: int, layers: int, bottleneck: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.down = nn.Linear(channels, width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, HEADS, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.adapters = nn.ModuleList(
            G2Adapter(width, bottleneck, HEADS, batch_first=True) if bottleneck else nn.Identity()
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, channels)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Token map ``(B, C, h, w)`` of any h and w to the same shape."""
        x = self.down(tokens.flatten(2).transpose(1, 2))  # (B, h * w, width), row by row
        for block, adapter in zip(self.blocks, self.adapters, strict=True):
            x = adapter(block(x))
        change: Tensor = self.up(self.norm(x)).transpose(1, 2)  # (B, C, h * w)
        return tokens + torch.unflatten(change, 2, tokens.shape[2:])
