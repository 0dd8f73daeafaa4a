"""What the packaged model's training minimises: the sum of its terms over one batch.

The terms that hold pairs against each other by identity (attribution, triplet, views) take the first caption of each
image, and are left out of a step whose images are mixed: a mixed image is of no one scene and has no own caption.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from engine.models.compact.dual_encoder import DualEncoder
from engine.models.compact.image_tower import STRIDE, normalise_pixels
from engine.models.compact.tokenizer import tokenize
from engine.train.losses import (
    attribution,
    multi_positive_contrastive,
    noun_prior_divergence,
    text_to_image_contrastive,
)
from engine.train.objectives import (
    multi_view_contrastive,
    multi_view_triplet,
    training_region_feature,
    weighted_triplet,
)
from engine.train.packaged.batch import Batch
from engine.train.packaged.config import TrainingConfig
from engine.train.packaged.data import TrainingData
from engine.train.packaged.dense import dense_loss
from engine.train.packaged.likeness import Likeness
from engine.train.packaged.mosaic import PARTS, mosaics
from engine.train.packaged.queue import EmbeddingQueue
from engine.train.packaged.subimages import drawn_nouns, subimages
from engine.train.packaged.text_features import TextFeatures

LARGEST_SCALE = 100.0
SCENE_SCALE = 1 / 0.07  # at the start, as in PriorCLIP's temp2
CALLED = ("embed_images", "embed_texts", "embed_text_features", "embed_tokens", "pool", "project", "tokens", "views")
"""Methods of the network that training calls; Fabric wants to know them."""


class Objective(nn.Module):
    """Loss of a batch, 0-d. Its own parameters belong to training alone and are trained like the network's heads.

    Args:
        config: weights of the terms.
        data: trained on.
        net: the network as it is, for its sizes and its logit scale.
        likeness: how right a text is for an image that it was not said of.
        features: of the text tower where all of it is frozen.
        random: on the CPU.
    """

    def __init__(
        self,
        config: TrainingConfig,
        data: TrainingData,
        net: DualEncoder,
        likeness: Likeness,
        features: TextFeatures | None,
        random: torch.Generator,
    ) -> None:
        super().__init__()
        self.config, self.data, self.likeness, self.features, self.random = config, data, likeness, features, random
        self._net = [net]  # in a list, so that its parameters are not taken for this module's
        self.device = net.log_scale.device
        if config.attribution_weight:
            self.log_scene_scale = nn.Parameter(torch.tensor(SCENE_SCALE).log())
        if config.noun_prior_weight:
            self.noun_prior = nn.Linear(config.embed_dim, len(data.nouns.words))
        self.queue = EmbeddingQueue(config.queue, config.embed_dim, self.device) if config.queue else None
        self.to(self.device)

    def get_extra_state(self) -> dict[str, Any]:
        """What belongs to the state beside the parameters: the queue."""
        return {} if self.queue is None else self.queue.state()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        if self.queue is not None:
            self.queue.restore(state)

    @property
    def scale(self) -> Tensor:
        """Of similarities in the contrastive terms; trained with the network."""
        return self._net[0].log_scale.exp().clamp(max=LARGEST_SCALE)

    def forward(self, model: Any, batch: Batch) -> Tensor:
        """The loss; ``model`` is the network as Fabric wraps it."""
        config = self.config
        texts = self._embed_texts(model, batch.wordings)
        captions, nouns = texts[: len(batch.captions)], texts[len(batch.captions) :]
        tokens = model.tokens(self._input(batch.mixed))
        images = model.pool(tokens)
        own = self.likeness.positives(batch.captions, batch.owners, len(batch.rows))  # (B, T)
        loss = self._contrastive(batch, images, captions, own)
        if config.noun_weight and batch.nouns:
            shown = batch.mix(batch.shown.to(torch.float32)).to(self.device)
            loss = loss + config.noun_weight * text_to_image_contrastive(self.scale * images @ nouns.T, shown)
        if config.noun_prior_weight:
            priors = batch.mix(self.data.nouns.priors(batch.rows)).to(self.device)
            priors = priors / priors.sum(1, keepdim=True).clamp_min(1e-6)  # parts without a prior do not count
            loss = loss + config.noun_prior_weight * noun_prior_divergence(self.noun_prior(images), priors)
        if config.dense_weight and len(batch.rows) >= PARTS:
            loss = loss + config.dense_weight * self._dense(model, batch, captions, own, nouns)
        if batch.own == 1:
            loss = loss + self._of_pairs(model, batch, images, tokens, captions, nouns)
        return loss

    def _contrastive(self, batch: Batch, images: Tensor, captions: Tensor, own: Tensor) -> Tensor:
        """Images ``(B, E)`` and captions ``(T, E)`` against each other, and against those of earlier batches."""
        positives = batch.mix(own).to(self.device)
        logits = self.scale * images @ captions.T
        if self.queue is None:
            return multi_positive_contrastive(logits, positives)
        queue = self.queue
        earlier = self.likeness.positives(batch.captions, batch.owners, len(batch.rows), queue.wordings)  # (B, Q)
        earlier = batch.mix(earlier).to(self.device)
        texts = torch.cat([logits, self.scale * images @ queue.texts.T], 1)  # (B, T + Q)
        of_images = text_to_image_contrastive(texts.T, torch.cat([positives, earlier], 1).T)
        alike = self.likeness.between(queue.wordings, batch.captions).to(self.device)  # (Q, T)
        rows = torch.cat([logits, self.scale * queue.images @ captions.T])  # (B + Q, T)
        of_texts = text_to_image_contrastive(rows, torch.cat([positives, alike]))
        if batch.own == 1:  # a mixed image is no example of its caption
            each = self.config.captions_per_image
            queue.push(images, captions[::each], batch.captions[::each])
        return 0.5 * (of_images + of_texts)

    def _of_pairs(
        self, model: Any, batch: Batch, images: Tensor, tokens: Tensor, captions: Tensor, nouns: Tensor
    ) -> Tensor:
        """The terms that want one text an image."""
        config, texts = self.config, captions[:: self.config.captions_per_image]
        loss = images.new_zeros(())
        if config.attribution_weight:
            scenes = self.data.scenes[batch.rows].to(self.device)
            temperature = 1 / self.log_scene_scale.exp().clamp(max=LARGEST_SCALE)
            loss = loss + config.attribution_weight * attribution(images, texts, scenes, temperature)
        if config.triplet_weight:
            loss = loss + config.triplet_weight * weighted_triplet(images @ texts.T)
        if config.views and batch.nouns:
            views = self._views(model, batch, images, tokens, nouns)
            loss = loss + config.view_weight * multi_view_contrastive(views, texts, self.scale)
            if config.triplet_weight:
                loss = loss + config.triplet_weight * config.view_weight * multi_view_triplet(views, texts)
        return loss

    def _views(self, model: Any, batch: Batch, images: Tensor, tokens: Tensor, nouns: Tensor) -> Tensor:
        """Views ``(K, B, E)`` of the region of each image: a noun's subimage, or the image itself."""
        columns, named = drawn_nouns(batch.shown.to(self.device), self.random)
        cut = subimages(self._input(batch.pixels)[named], model.project(tokens[named].detach()), nouns[columns[named]])
        regions = torch.zeros_like(images)
        if bool(named.any()):
            regions = regions.index_put((named.nonzero()[:, 0],), model.embed_images(cut).to(regions))
        views: Tensor = model.views(training_region_feature(regions[:, None], named[:, None], images))
        return views

    def _dense(self, model: Any, batch: Batch, captions: Tensor, own: Tensor, nouns: Tensor) -> Tensor:
        """Tokens of mosaics against the texts of the images that they show; ``own`` ``(B, T)``."""
        canvas, owners = mosaics(batch.pixels, self.config.mosaic_size, STRIDE, self.random)
        tokens = model.embed_tokens(self._input(canvas)).flatten(0, 2)  # (P, E)
        owners, right, shown = (each.to(self.device) for each in (owners.flatten(), own, batch.shown))
        return dense_loss(tokens, owners, captions, right, nouns, shown, self.config.dense_scale)

    def _embed_texts(self, model: Any, texts: list[str]) -> Tensor:
        """Embeddings ``(T, E)``; texts of like length share a call, else padding would cost more than the words."""
        if self.features is not None:
            embeddings: Tensor = model.embed_text_features(self.features(texts))
            return embeddings
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        size = -(-len(texts) // self.config.text_buckets)
        parts = []
        for start in range(0, len(texts), size):
            ids, mask = tokenize(self.data.tokenizer, [texts[i] for i in order[start : start + size]])
            parts.append(model.embed_texts(ids.to(self.device), mask.to(self.device)))
        back = torch.empty(len(order), dtype=torch.int64)
        back[torch.tensor(order)] = torch.arange(len(order))
        return torch.cat(parts)[back.to(self.device)]

    def _input(self, pixels: Tensor) -> Tensor:
        return normalise_pixels(pixels).to(self.device, memory_format=torch.channels_last)
