"""Training objectives as pure functions."""

from __future__ import annotations

import torch
from torch import Tensor


def multi_positive_contrastive(logits: Tensor, positives: Tensor) -> Tensor:
    """Symmetric InfoNCE whose targets are spread evenly over all positives (MPS-CLIP, arXiv 2601.18190, base loss).

    Args:
        logits: scaled similarities ``(B, T)``, rows images, columns texts.
        positives: bool ``(B, T)``; each row and column has at least one True.

    Returns:
        The mean of the two directions' cross entropies, in nats.
    """
    targets = positives.to(logits)
    rows = -(targets / targets.sum(1, keepdim=True) * logits.log_softmax(1)).sum(1).mean()
    columns = -(targets / targets.sum(0, keepdim=True) * logits.log_softmax(0)).sum(0).mean()
    return 0.5 * (rows + columns)


def same_group(a: Tensor, b: Tensor) -> Tensor:
    """Group ids ``(B,)`` and ``(T,)`` to the bool matrix ``(B, T)`` of equal ones."""
    return torch.eq(a[:, None], b[None, :])
