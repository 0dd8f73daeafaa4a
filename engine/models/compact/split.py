"""The two towers cut in two: what stays as it is, computed once for each picture and text, and what follows it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.models.compact.image_tower import ImageTower
from engine.models.compact.text_tower import TextTower


def image_halves(tower: ImageTower) -> tuple[nn.Sequential, nn.Sequential]:
    """All but the last stage, and the last stage with the convolution after it; both share the tower's weights.

    Normalised pixels ``(B, 3, H, W)`` to ``(B, c, H/32, W/32)``, and that to the tower's tokens ``(B, C, H/32, W/32)``.
    """
    net = tower.net
    stages = list(net.get_submodule("blocks").children())
    first = nn.Sequential(net.get_submodule("conv_stem"), net.get_submodule("bn1"), *stages[:-1])
    return first, nn.Sequential(stages[-1], net.get_submodule("conv_head"), net.get_submodule("bn2"))


class FirstLayers(nn.Module):
    """Token ids and mask ``(B, L)`` (True: a token) to the states ``(B, L, D)`` after the tower's first layers.

    Args:
        tower: whose weights are shared.
        layers: how many; all of them gives the tower's last states, whose mean over the tokens is its feature.
    """

    def __init__(self, tower: TextTower, layers: int) -> None:
        super().__init__()
        self.words, self.positions, self.norm, self.dropout = tower.words, tower.positions, tower.norm, tower.dropout
        self.layers = nn.ModuleList(list(tower.encoder.layers)[:layers])

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        place = torch.arange(ids.shape[1], device=ids.device)
        states: Tensor = self.dropout(self.norm(self.words(ids) + self.positions(place)))
        for layer in self.layers:
            states = layer(states, src_key_padding_mask=~mask)
        return states


class LastLayers(nn.Module):
    """States ``(B, L, D)`` with mask ``(B, L)`` through the tower's layers from ``first`` on; there may be none."""

    def __init__(self, tower: TextTower, first: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(list(tower.encoder.layers)[first:])

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        for layer in self.layers:
            states = layer(states, src_key_padding_mask=~mask)
        return states
