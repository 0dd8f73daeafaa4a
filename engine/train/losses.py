"""Training objectives as pure functions."""

from __future__ import annotations

import torch
from torch import Tensor


def multi_positive_contrastive(logits: Tensor, positives: Tensor) -> Tensor:
    """Symmetric InfoNCE whose targets are spread over all positives (MPS-CLIP, arXiv 2601.18190, base loss).

    Args:
        logits: scaled similarities ``(B, T)``, rows images, columns texts.
        positives: bool ``(B, T)``, or float32 weights; each row and column has one above 0.

    Returns:
        The mean of the two directions' cross entropies, in nats.
    """
    rows = text_to_image_contrastive(logits.T, positives.T)
    return 0.5 * (rows + text_to_image_contrastive(logits, positives))


def text_to_image_contrastive(logits: Tensor, positives: Tensor) -> Tensor:
    """The columns' half of :func:`multi_positive_contrastive`: each text looks for its images.

    Transposed, it is the other half: each image, or patch, looks for its texts.

    Args:
        logits: scaled similarities ``(B, T)``, rows images, columns texts.
        positives: bool ``(B, T)``, or float32 weights; each column has one above 0.

    Returns:
        Mean cross entropy in nats.
    """
    targets = positives.to(logits)
    return -(targets / targets.sum(0, keepdim=True) * logits.log_softmax(0)).sum(0).mean()


def multiple_instance_contrastive(logits: Tensor, positives: Tensor) -> Tensor:
    """Each text wants some of its candidates to answer, no matter which (MIL-NCE: Miech et al., arXiv 1912.06430).

    Args:
        logits: scaled similarities ``(P, T)``, rows patches, columns texts.
        positives: bool ``(P, T)``: the patch shows an image that the text is about; each column has at least one True.

    Returns:
        Mean over the texts of -log(share of the softmax over all patches that falls on the positive ones), in nats.
    """
    answered = logits.masked_fill(~positives, float("-inf")).logsumexp(0)
    return (logits.logsumexp(0) - answered).mean()


def same_group(a: Tensor, b: Tensor) -> Tensor:
    """Group ids ``(B,)`` and ``(T,)`` to the bool matrix ``(B, T)`` of equal ones."""
    return torch.eq(a[:, None], b[None, :])
