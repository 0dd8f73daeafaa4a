"""The running average of a network's weights."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Moves the average after step number ``step``, counted from 0; in the first steps faster."""
    decay = min(decay, (1 + step) / (10 + step))
    for kept, new in zip(average.parameters(), model.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)
