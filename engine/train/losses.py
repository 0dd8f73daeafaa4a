"""Training objectives as pure functions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div


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


def attribution(images: Tensor, texts: Tensor, labels: Tensor, temperature: Tensor | float) -> Tensor:
    """Attribution loss of PriorCLIP (arXiv 2405.10160): pairs are drawn to the centre of their scene in the other kind.

    ``½ (CE(I · Ctᵀ / τ) + CE((T · Ciᵀ / τ)ᵀ))`` with diagonal targets. Row j of Ct and of Ci is the plain mean of the
    texts' and of the images' embeddings that bear the label of pair j, j included; means are not normalised again. In
    the second term a row is an image centre, and the softmax runs over the texts: both terms look from images to texts.

    Args:
        images: embeddings ``(B, E)``, unit length.
        texts: embeddings ``(B, E)`` of the same pairs.
        labels: int64 ``(B,)``; a negative one is no label: the pair is a class of its own.
        temperature: τ.

    Returns:
        The loss, nats.
    """
    places = torch.arange(len(labels), device=labels.device)
    classes = torch.where(labels < 0, -1 - places, labels)
    members = same_group(classes, classes).to(images)
    members = members / members.sum(1, keepdim=True)
    to_texts = images @ (members @ texts).T / temperature
    to_images = texts @ (members @ images).T / temperature
    return 0.5 * (cross_entropy(to_texts, places) + cross_entropy(to_images.T, places))


def triplet(scores: Tensor, margin: float = 0.2) -> Tensor:
    """The plain triplet loss that PriorCLIP (arXiv 2405.10160) has beside its contrastive one: the sum of all costs.

    Args:
        scores: cosines ``(B, B)``, rows images, columns texts, pairs on the diagonal.
        margin: m of :func:`triplet_costs`.

    Returns:
        The loss, without unit.
    """
    against_texts, against_images = triplet_costs(scores, margin)
    return against_texts.sum() + against_images.sum()


def triplet_costs(scores: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """``max(0, m + s_ij − s_ii)`` (image i against text j) and ``max(0, m + s_ij − s_jj)`` (text j against image i).

    Args:
        scores: cosines ``(B, B)``, rows images, columns texts, pairs on the diagonal.
        margin: m.

    Returns:
        Both matrices ``(B, B)``, zero on the diagonal.
    """
    own = scores.diagonal()
    diagonal = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    against_texts = (margin + scores - own[:, None]).clamp_min(0).masked_fill(diagonal, 0)
    against_images = (margin + scores - own[None, :]).clamp_min(0).masked_fill(diagonal, 0)
    return against_texts, against_images


def noun_prior_divergence(logits: Tensor, priors: Tensor) -> Tensor:
    """Kullback-Leibler divergence of a predicted distribution over nouns from an image's prior (OSDPM's priors).

    Args:
        logits: ``(B, N)``, one a noun.
        priors: ``(B, N)``, each row a distribution, or all zero where nothing is known of the image.

    Returns:
        Mean of ``Σ p (log p − log q)`` over the images that have a prior, in nats; 0 where none has.
    """
    known = priors.sum(1) > 0
    if not bool(known.any()):
        return 0.0 * logits.sum()
    return kl_div(logits[known].log_softmax(1), priors[known], reduction="batchmean")


def same_group(a: Tensor, b: Tensor) -> Tensor:
    """Group ids ``(B,)`` and ``(T,)`` to the bool matrix ``(B, T)`` of equal ones."""
    return torch.eq(a[:, None], b[None, :])
