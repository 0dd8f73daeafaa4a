"""Batches across processes: every one scores its pairs against all pairs."""

from __future__ import annotations

from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor


def gather(fabric: Fabric, local: Tensor, dim: int = 0) -> Tensor:
    """The tensors of all processes along ``dim``, in the order of their ranks; gradients reach the own part alone.

    As released with MPS-CLIP: others' embeddings are constants. Every process computes the same loss of the whole
    batch, and since DDP takes the mean over W processes, the gradient is 1/W of the whole batch's.

    Args:
        fabric: of the run.
        local: of the same shape in every process.
        dim: axis of the pairs: 0 for embeddings ``(B, E)`` and ids ``(B,)``, 1 for views ``(K, B, E)``.

    Returns:
        ``W`` times as long along ``dim``; ``local`` itself where there is one process.
    """
    if fabric.world_size == 1:
        return local
    everything: Any = fabric.all_gather(local.detach())  # (W, ...)
    parts = list(everything.unbind(0))
    parts[fabric.global_rank] = local
    return torch.cat(parts, dim)
