"""What a training of MPS-CLIP does in the shared loop: its objective over pairs and regions, its val, its files."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader

from engine.datasets.rsicd import CaptionedImage
from engine.evaluate.retrieval import RetrievalReport
from engine.models.mps_clip.build import BuiltMpsClip
from engine.train.gather import gather
from engine.train.mps_clip.config import TrainingConfig
from engine.train.mps_clip.data import Batch, EpochBatches, PairDataset, collate
from engine.train.mps_clip.export import save_best
from engine.train.mps_clip.network import Embedder
from engine.train.objectives import (
    contrastive,
    multi_view_contrastive,
    multi_view_triplet,
    total,
    total_contrastive,
    total_triplet,
    weighted_triplet,
)
from engine.train.runs.checkpoint import Fingerprint
from engine.train.runs.files import Files
from engine.train.runs.loop import Trainer
from engine.train.runs.measure import measure_pairs
from engine.train.runs.pictures import read_picture
from engine.types import Json, ProgressSink, no_progress


class MpsClipTrainer(Trainer):
    """One run of MPS-CLIP on this process's device.

    Args:
        config: all settings.
        built: the network and what belongs to it.
        train: pairs.
        val: images of val.
        data: a hash of the pairs.
        files: where results go.
        fabric: launched.
        facts: see :class:`Trainer`.
        progress: told after each step; may stop the run.
    """

    def __init__(
        self,
        config: TrainingConfig,
        built: BuiltMpsClip,
        train: PairDataset,
        val: list[CaptionedImage],
        data: str,
        files: Files,
        fabric: Fabric,
        facts: Json,
        progress: ProgressSink = no_progress,
    ) -> None:
        order = EpochBatches(
            len(train), config.optimiser.batch_pairs, config.seed, fabric.global_rank, fabric.world_size
        )
        workers = config.data.workers
        loader: DataLoader[Any] = DataLoader(
            train,
            batch_sampler=order,
            num_workers=workers,
            collate_fn=collate,
            pin_memory=fabric.device.type == "cuda",
            persistent_workers=workers > 0,
        )
        self.built, self.settings, self.val = built, config, val
        embedder = Embedder(built.model, built.mean, built.std)
        self.to_input = embedder.pixels
        self._val_pixels: Tensor | None = None
        super().__init__(
            config,
            built.model,
            embedder,
            order,
            loader,
            new=built.model.new_parameters(),
            fingerprint=Fingerprint(config, fabric.world_size, built.backbone.sha256, data),
            files=files,
            fabric=fabric,
            facts=facts,
            progress=progress,
        )

    def loss(self, batch: Batch) -> Tensor:
        images, texts, views = self.model(batch.images, batch.masks, batch.valid, batch.tokens)
        fabric = self.fabric
        return self._objective(
            gather(fabric, images), gather(fabric, texts), gather(fabric, views, 1), gather(fabric, batch.image_ids)
        )

    def _objective(self, images: Tensor, texts: Tensor, views: Tensor, ids: Tensor) -> Tensor:
        settings, net = self.settings.objective, self.built.model
        scores = images @ texts.T
        margin, hardest = settings.margin, settings.hardest
        return total(
            total_contrastive(
                contrastive(images, texts, net.temperature, ids),
                multi_view_contrastive(views, texts, net.logit_scale),
                settings.view_weight,
            ),
            total_triplet(
                weighted_triplet(scores, margin, hardest=hardest),
                multi_view_triplet(views, texts, margin, hardest=hardest),
                settings.view_weight,
            ),
        )

    def measure(self) -> RetrievalReport:
        net, device = self.built.model, self.fabric.device
        if self._val_pixels is None:
            pictures = [read_picture(image.path, self.built.image_size) for image in self.val]
            self._val_pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
        return measure_pairs(
            lambda pixels: net.embed_images(self.to_input(pixels.to(device))).whole,
            lambda captions: net.embed_texts(self.built.tokenizer(captions).to(device)).whole,
            self._val_pixels,
            [image.captions for image in self.val],
            "mps-clip",
        )

    def save_best(self) -> None:
        save_best(self.files.best, self.built, self.settings)
