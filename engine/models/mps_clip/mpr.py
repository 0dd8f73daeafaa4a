"""Multi-perspective representation (MPR) of MPS-CLIP (arXiv 2601.18190): several views of one region feature."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_EPSILON = 1e-8


class PerspectiveHeads(nn.Module):
    """K independent heads ``Linear E→E, GELU, Linear E→E``; each view is ``v / (‖v‖ + 1e-8)``.

    Weights start Xavier-uniform, biases at zero.

    Args:
        embed_dim: E of the shared space.
        views: K.
    """

    def __init__(self, embed_dim: int, views: int = 4) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.GELU(), nn.Linear(embed_dim, embed_dim))
            for _ in range(views)
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, region_feature: Tensor) -> Tensor:
        """Region features ``(B, E)`` to views ``(K, B, E)``."""
        views = torch.stack([head(region_feature) for head in self.heads]).float()
        unit: Tensor = views / (torch.linalg.vector_norm(views, dim=-1, keepdim=True) + _EPSILON)
        return unit
