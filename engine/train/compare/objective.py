"""What a run minimises: the multi-positive contrastive loss, and the terms of the parts that its row has."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from engine.models.osdpm.osfcm import clustering_loss
from engine.train.compare.cache import TextCache
from engine.train.compare.config import CompareConfig
from engine.train.compare.net import SystemNet
from engine.train.compare.regions import noun_regions
from engine.train.compare.rows import ATTRIBUTION, MPR, OSFCM, SPATIAL, TRIPLET
from engine.train.losses import attribution, multi_positive_contrastive, noun_prior_divergence, same_group
from engine.train.objectives import (
    multi_view_contrastive,
    multi_view_triplet,
    training_region_feature,
    weighted_triplet,
)
from engine.train.packaged.subimages import drawn_nouns

LARGEST_SCALE = 100.0
SCENE_SCALE = 1 / 0.07  # at the start, as in PriorCLIP's temp2


@dataclass(frozen=True, slots=True)
class Batch:
    """B pairs, each of another image.

    Attributes:
        maps: float32 ``(B, c, h, w)``, kept of the pictures.
        pooled: float32 ``(B, C)``, for the scene prior.
        states: float32 ``(B, L, D)``, kept of the captions.
        mask: bool ``(B, L)``.
        same: int64 ``(B,)``: captions of the same words have the same number.
        scenes: int64 ``(B,)``; -1: none.
        priors: float32 ``(B, N)``, distributions over the nouns, or zeros.
        shown: bool ``(B, N)``, which nouns the captions have.
    """

    maps: Tensor
    pooled: Tensor
    states: Tensor
    mask: Tensor
    same: Tensor
    scenes: Tensor
    priors: Tensor
    shown: Tensor


class Objective(nn.Module):
    """Loss of a batch, 0-d. Its own parameters belong to training alone.

    Prototypes, the embeddings of the nouns alone, steer regions and clusters and get no gradient, so they are computed
    for many steps at once (``prototype_steps``).

    Args:
        parts: of the row.
        config: weights of the terms.
        nouns: what is kept of the N nouns.
        embed_dim: E.
        random: on the CPU.
    """

    def __init__(
        self, parts: frozenset[str], config: CompareConfig, nouns: TextCache, embed_dim: int, random: torch.Generator
    ) -> None:
        super().__init__()
        self.parts, self.config, self.nouns, self.random = parts, config, nouns, random
        self.prototypes = torch.zeros(len(nouns), embed_dim)
        if ATTRIBUTION in parts:
            self.log_scene_scale = nn.Parameter(torch.tensor(SCENE_SCALE).log())
        if OSFCM in parts and len(nouns):
            self.noun_prior = nn.Linear(embed_dim, len(nouns))

    def forward(self, net: SystemNet, batch: Batch, step: int) -> Tensor:
        """The loss of the batch of step number ``step``, counted from 0."""
        parts, config, system = self.parts, self.config, net.system
        if parts & {MPR, OSFCM} and len(self.nouns) and step % config.prototype_steps == 0:
            self.prototypes = noun_prototypes(net, self.nouns)
        tokens = net.tokens(batch.maps)
        seen = system.perceive(tokens)
        images = system.pool(seen, system.prior(batch.pooled) if SPATIAL in parts else None)
        texts = net.embed_texts(batch.states, batch.mask)
        loss = multi_positive_contrastive(system.scale * images @ texts.T, same_group(batch.same, batch.same))
        if TRIPLET in parts:
            loss = loss + config.triplet_weight * weighted_triplet(images @ texts.T)
        if MPR in parts and len(self.nouns):
            columns, named = drawn_nouns(batch.shown, self.random)
            with torch.no_grad():
                projected = system.project(seen)
            regions = noun_regions(seen.map, projected, self.prototypes[columns])
            regions = normalize(system.image_head(regions), dim=-1)
            views = system.views(training_region_feature(regions[:, None], named[:, None], images))
            loss = loss + config.view_weight * multi_view_contrastive(views, texts, system.scale)
            if TRIPLET in parts:
                loss = loss + config.triplet_weight * config.view_weight * multi_view_triplet(views, texts)
        if ATTRIBUTION in parts:
            temperature = 1 / self.log_scene_scale.exp().clamp(max=LARGEST_SCALE)
            loss = loss + config.attribution_weight * attribution(images, texts, batch.scenes, temperature)
        if OSFCM in parts and len(self.nouns):
            loss = loss + config.noun_prior_weight * noun_prior_divergence(self.noun_prior(images), batch.priors)
            clusters = clustering_loss(images, self.prototypes, batch.priors, config.clustering_temperature)
            loss = loss + config.clustering_weight * clusters
        return loss


@torch.no_grad()
def noun_prototypes(net: SystemNet, nouns: TextCache) -> Tensor:
    """Embeddings of the nouns alone ``(N, E)``, without dropout; leaves the network in the mode that it was in."""
    training = net.training
    net.eval()
    states, mask = nouns.draw(torch.arange(len(nouns)))
    prototypes = net.embed_texts(states.to(net.device), mask.to(net.device))
    net.train(training)
    return prototypes
