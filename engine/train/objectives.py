"""The objectives of MPS-CLIP (arXiv 2601.18190) as pure functions.

Throughout, row a of the embeddings ``(B, E)`` of images and of texts is pair a, all embeddings have unit length, and
scores ``(B, B)`` are cosines in [-1, 1] with images in rows and texts in columns. Losses are 0-d; contrastive ones are
in nats, triplet ones are sums of weighted cosine differences and have no unit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.models.contract import region_mean
from engine.train.losses import multi_positive_contrastive, same_group, triplet_costs


def contrastive(images: Tensor, texts: Tensor, temperature: Tensor | float, ids: Tensor | None = None) -> Tensor:
    """Base contrastive loss.

    ``½ (H(q, softmax(s / τ)) + H(qᵀ, softmax(sᵀ / τ)))``: mean cross entropies of the two directions, with targets q
    spread evenly over all pairs that share an image id.

    Args:
        images: embeddings ``(B, E)``.
        texts: embeddings ``(B, E)``.
        temperature: τ.
        ids: image ids ``(B,)`` integer; None: every pair is an image of its own.

    Returns:
        The loss, nats.
    """
    if ids is None:
        ids = torch.arange(len(images), device=images.device)
    return multi_positive_contrastive(images @ texts.T / temperature, same_group(ids, ids))


def weighted_triplet(scores: Tensor, margin: float = 0.2, gamma: float = 2.0, *, hardest: bool = False) -> Tensor:
    """Triplet loss whose small costs count less.

    ``½ Σ_{i≠j} (w(c_ij) + w(d_ij))`` with ``c_ij = max(0, m + s_ij − s_ii)`` (image i against the other texts),
    ``d_ij = max(0, m + s_ij − s_jj)`` (text j against the other images) and ``w(c) = (1 − exp(−c))^γ · c``. Gradients
    pass the weight too. Other pairs of the same image are not spared.

    Args:
        scores: cosines ``(B, B)``.
        margin: m.
        gamma: γ.
        hardest: keep only the largest weighted cost of each image and of each text.

    Returns:
        The loss, without unit.
    """
    against_texts, against_images = (_weighted(costs, gamma) for costs in triplet_costs(scores, margin))
    if hardest:
        return 0.5 * (against_texts.amax(1).sum() + against_images.amax(0).sum())
    return 0.5 * (against_texts.sum() + against_images.sum())


def view_scores(views: Tensor, texts: Tensor) -> Tensor:
    """Views ``(K, B, E)`` and texts ``(B, E)`` to ``s_ij = max_k v_k,i · t_j``, ``(B, B)``."""
    return (views @ texts.T).amax(0)


def multi_view_contrastive(views: Tensor, texts: Tensor, scale: Tensor | float) -> Tensor:
    """Contrastive loss of the views that answer most.

    ``½ (CE(a · s) + CE(a · sᵀ))`` with s of :func:`view_scores` and diagonal targets.

    Args:
        views: of the MPR heads, ``(K, B, E)``.
        texts: embeddings ``(B, E)``.
        scale: a, the exp of the backbone's logit scale.

    Returns:
        The loss, nats.
    """
    ids = torch.arange(len(texts), device=texts.device)
    return multi_positive_contrastive(scale * view_scores(views, texts), same_group(ids, ids))


def multi_view_triplet(
    views: Tensor, texts: Tensor, margin: float = 0.2, gamma: float = 2.0, *, hardest: bool = False
) -> Tensor:
    """:func:`weighted_triplet` on :func:`view_scores`, without scale.

    Args:
        views: of the MPR heads, ``(K, B, E)``.
        texts: embeddings ``(B, E)``.
        margin: m.
        gamma: γ.
        hardest: see there.

    Returns:
        The loss, without unit.
    """
    return weighted_triplet(view_scores(views, texts), margin, gamma, hardest=hardest)


def training_region_feature(regions: Tensor, mask: Tensor, whole: Tensor) -> Tensor:
    """What enters the MPR heads in training: the normalised mean of the valid regions, or the image where none is.

    Args:
        regions: region embeddings ``(B, n, E)``.
        mask: their validity ``(B, n)``.
        whole: global embeddings ``(B, E)``.

    Returns:
        ``(B, E)``, unit length.
    """
    has_region = mask.to(whole.device, torch.bool).any(1, keepdim=True)  # (B, 1)
    return torch.where(has_region, region_mean(regions, mask.to(regions.device)), whole)


def total_contrastive(base: Tensor, multi_view: Tensor, weight: float = 0.2) -> Tensor:
    """``base + λ · multi_view`` of the contrastive losses, nats; ``weight`` is λ."""
    return base + weight * multi_view


def total_triplet(base: Tensor, multi_view: Tensor, weight: float = 0.2) -> Tensor:
    """``base + λ · multi_view`` of the triplet losses, without unit; ``weight`` is λ."""
    return base + weight * multi_view


def total(contrastive_total: Tensor, triplet_total: Tensor) -> Tensor:
    """What is minimised: the sum of :func:`total_contrastive` and :func:`total_triplet`."""
    return contrastive_total + triplet_total


def _weighted(costs: Tensor, gamma: float) -> Tensor:
    return (1 - torch.exp(-costs)) ** gamma * costs
