"""Teaches the image tower and its head the targets of the fixed views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from engine.models.compact.dual_encoder import DualEncoder
from engine.models.compact.image_tower import STRIDE, normalise_pixels
from engine.train.packaged import unfinished
from engine.train.packaged.augment import jitter_colours
from engine.train.packaged.average import follow
from engine.train.packaged.data import TrainingData
from engine.train.packaged.dense import dense_loss
from engine.train.packaged.distil.config import ImageRound
from engine.train.packaged.distil.regression import fit_head, learning_rate_factor, regression_loss
from engine.train.packaged.distil.views import SYMMETRIES, FixedViews, symmetry
from engine.train.packaged.loop import trainable
from engine.train.packaged.measure import pooled_features
from engine.train.packaged.mosaic import PARTS, mosaics
from engine.train.seeds import Purpose, derived_seed, seed_generators
from engine.types import Progress, ProgressSink

DENSE_SCALE = 14.0
MOSAIC_SIZE = 192
WHOLE_SHARE, MIXED_SHARE = 0.3, 0.3  # of the views of a batch, where crops and mixtures are drawn


class ImageStudent:
    """Regression on the targets, and in every other step the losses of mosaics against fixed targets of texts.

    Args:
        model: the student; its image tower and image head are trained.
        targets: of the views ``(N, V, E)``.
        text_targets: of each training text and noun ``(E,)``.
        seed: of this round; what a step draws depends on it and the step alone.
    """

    def __init__(
        self,
        model: DualEncoder,
        data: TrainingData,
        views: FixedViews,
        targets: Tensor,
        text_targets: dict[str, Tensor],
        config: ImageRound,
        fabric: Fabric,
        seed: int,
        progress: ProgressSink,
    ) -> None:
        self.model, self.data, self.views, self.config = model, data, views, config
        self.targets, self.text_targets = targets, text_targets
        self.fabric, self.seed, self.progress = fabric, seed, progress
        self.random = torch.Generator()
        self.bank = torch.stack([text_targets[text] for text in data.texts])
        parts = [1.0] + [0.0] * (len(views) - 1)
        if views.crops:
            parts[1 : 1 + views.crops] = [(1 - WHOLE_SHARE - MIXED_SHARE) / views.crops] * views.crops
        if views.mixtures:
            parts[1 + views.crops :] = [MIXED_SHARE / views.mixtures] * views.mixtures
        parts[0] = 1 - sum(parts[1:])
        self._shares = torch.tensor(parts)

    def run(
        self,
        epoch_done: Callable[[DualEncoder, Mapping[str, Any], dict[str, Any]], None],
        is_first: bool = True,
        kept: Mapping[str, Any] | None = None,
    ) -> DualEncoder:
        """Trains, and returns the running average of the network.

        Args:
            epoch_done: is given, after each epoch, this average, what has a state, and the place.
            is_first: the head is fitted to the tower first.
            kept: states and place after an epoch, to go on from.
        """
        config, model = self.config, self.model
        if is_first and kept is None:
            features = pooled_features(model, self.data.pixels, config.image_size)
            fit_head(model.image_head, features, self.targets[:, 0])
        model.requires_grad_(False)
        model.image_tower.requires_grad_(True)
        model.image_head.requires_grad_(True)
        for module in model.image_tower.frozen_prefix(config.frozen_stages):
            module.requires_grad_(False)
        model.image_tower.drop_paths(config.drop_path)
        optimizer = torch.optim.AdamW(trainable(model), lr=config.lr_image, weight_decay=config.weight_decay)
        wrapped, optimizer = self.fabric.setup(model, optimizer, _reapply_compile=False)
        for method in ("embed_images", "embed_tokens"):
            wrapped.mark_forward_method(method)
        average = deepcopy(model)
        steps = max(1, len(self.data.train) // config.image_batch)
        total = max(1, round(config.image_epochs * steps))
        parts = {"model": model, "average": average, "optimizer": optimizer}
        first, running = 0, 0.0
        if kept is not None:
            place = unfinished.put_back(kept, parts)
            first, running = place["step"], place["loss"]
        for step in range(first, total):
            if step % steps == 0:
                self.random.manual_seed(derived_seed(self.seed, Purpose.ORDER, step))
                order = torch.randperm(len(self.data.train), generator=self.random)
            at = step % steps * config.image_batch
            self.random.manual_seed(derived_seed(self.seed, Purpose.AUGMENTATION, step))
            seed_generators(derived_seed(self.seed, Purpose.STEP, step), self.fabric.device)
            for group in optimizer.param_groups:
                group["lr"] = config.lr_image * learning_rate_factor(step, total)
            side = config.image_size if step < (1 - config.late_share) * total else config.late_image_size
            model.train()
            loss = self._loss(wrapped, order[at : at + config.image_batch], side, step)
            self.fabric.backward(loss)
            self.fabric.clip_gradients(wrapped, optimizer, max_norm=config.gradient_clip, error_if_nonfinite=True)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            follow(average, model, step, config.ema_decay)
            running = loss.item() if step == 0 else 0.98 * running + 0.02 * loss.item()
            self.progress(Progress("images", step + 1, total, f"loss {running:.3f}"))
            if (step + 1) % steps == 0 or step + 1 == total:
                epoch_done(average, parts, {"step": step + 1, "loss": running})
        return average

    def _loss(self, model: DualEncoder, rows: Tensor, side: int, step: int) -> Tensor:
        config, device = self.config, self.fabric.device
        chosen = torch.multinomial(self._shares, len(rows), replacement=True, generator=self.random)
        turns = torch.randint(SYMMETRIES, (len(rows),), generator=self.random).tolist()
        pictures = torch.stack(
            [
                symmetry(self.views.render(row, view, side), turn)
                for row, view, turn in zip(rows.tolist(), chosen.tolist(), turns, strict=True)
            ]
        )
        pictures = jitter_colours(pictures, config.jitter, self.random)
        embeddings = model.embed_images(self._input(pictures))
        bank = self.bank[torch.randint(len(self.bank), (config.bank,), generator=self.random)]
        targets = self.targets[rows, chosen]
        loss = regression_loss(embeddings, targets.to(device), bank.to(device), config.cosine_weight)
        if config.dense_weight and step % 2 == 0 and len(rows) >= PARTS:
            loss = loss + config.dense_weight * self._dense(model, rows)
        return loss

    def _dense(self, model: DualEncoder, rows: Tensor) -> Tensor:
        """Tokens of mosaics against the targets of the texts of the images that they show."""
        device = self.fabric.device
        whole = torch.stack([self.views.render(row, 0, self.config.image_size) for row in rows.tolist()])
        canvas, owners = mosaics(whole, MOSAIC_SIZE, STRIDE, self.random)
        tokens, owners = model.embed_tokens(self._input(canvas)).flatten(0, 2), owners.flatten()
        captions = []
        for row in rows.tolist():
            pool = self.data.train[row].captions
            captions.append(self.text_targets[pool[int(torch.randint(len(pool), (), generator=self.random))]])
        nouns, shown = self.data.nouns.sample(rows, self.random)
        named = [self.text_targets[noun] for noun in nouns]
        wanted = torch.stack(captions).to(device)
        names = torch.stack(named).to(device) if named else wanted[:0]
        own, owners, shown = (each.to(device) for each in (torch.eye(len(rows)), owners, shown))
        return dense_loss(tokens, owners, wanted, own, names, shown, DENSE_SCALE)

    def _input(self, pixels: Tensor) -> Tensor:
        return normalise_pixels(pixels).to(self.fabric.device, memory_format=torch.channels_last)
