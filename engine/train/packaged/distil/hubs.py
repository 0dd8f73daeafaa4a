"""Hub terms of the student, from the targets of the training data.

A linear head, and the image tower with it, can say of an embedding where it lies, and not how near that is to all
others (docs/evaluation.md has figures), so the terms are computed from where it lies.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from warnings import catch_warnings, simplefilter

import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor
from torch.nn.functional import normalize

from engine.models.compact.dual_encoder import DualEncoder
from engine.models.compact.hubs import HUB_DIMENSIONS, HubTerm

ITERATIONS = 15


def hub_terms(
    images: Tensor, texts: Tensor, strengths: tuple[float, float], centres: int, scale: float
) -> tuple[HubTerm, HubTerm]:
    """Those of images and of texts, each with a bank of K clusters, of fewer where there are fewer targets.

    Args:
        images: targets of the whole training images ``(N, E)``.
        texts: targets of what was said of them ``(T, E)``.
        strengths: of images' and of texts' terms, see :class:`HubTerm`.
        centres: K.
        scale: of the cosines with the bank.
    """
    own_images, own_texts = (normalize(part[:, :-HUB_DIMENSIONS], dim=-1) for part in (images, texts))
    centres = min(centres, len(images), len(texts))
    of_images = _hub_term(own_images, own_texts, False, strengths[0], centres, scale)
    return of_images, _hub_term(own_texts, own_images, True, strengths[1], centres, scale)


def with_hub_terms(model: DualEncoder, of_images: HubTerm, of_texts: HubTerm) -> DualEncoder:
    """A copy of ``model`` that has them."""
    corrected = deepcopy(model)
    corrected.image_hubs, corrected.text_hubs = (
        of_images.to(model.log_scale.device),
        of_texts.to(model.log_scale.device),
    )
    corrected.parts = replace(model.parts, hub_centres=len(of_images.centres))
    return corrected


def _hub_term(own: Tensor, bank: Tensor, of_texts: bool, strength: float, centres: int, scale: float) -> HubTerm:
    """Of embeddings of one kind ``(A, E - 2)``, against those of the other ``(B, E - 2)``."""
    points = bank.double().numpy()
    spread = points[:: len(points) // centres][:centres]
    with catch_warnings():
        simplefilter("ignore", UserWarning)  # a cluster may be empty, where targets are alike: its share is 0
        found, cluster = kmeans2(points, spread, ITERATIONS, minit="matrix")
    members = torch.bincount(torch.from_numpy(cluster).long(), minlength=centres)
    hubs = HubTerm(own.shape[1] + HUB_DIMENSIONS, centres, of_texts)
    hubs.centres.copy_(torch.from_numpy(found))
    hubs.log_shares.copy_((members / len(bank)).log())
    hubs.strength.fill_(strength)
    hubs.logit_scale.fill_(scale)
    hubs.mean.copy_(hubs.hub(own).mean())
    return hubs
