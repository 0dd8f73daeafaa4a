"""Averages of networks' weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Moves the average after step number ``step``, counted from 0; in the first steps faster."""
    decay = min(decay, (1 + step) / (10 + step))
    for kept, new in zip(average.parameters(), model.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


@torch.no_grad()
def set_to_mean(module: nn.Module, alike: Sequence[nn.Module]) -> None:
    """Sets the weights of ``module`` to the mean of those of modules of the same shape."""
    for kept, *each in zip(module.parameters(), *(other.parameters() for other in alike), strict=True):
        kept.copy_(torch.stack(each).mean(0))
