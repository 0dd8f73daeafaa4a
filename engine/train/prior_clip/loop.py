"""What a training of PriorCLIP does in the shared loop: its objective, its val, its files, and damaged samples."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader

from engine.datasets.captioned_folder import CaptionedPicture, Damaged
from engine.evaluate.retrieval import RetrievalReport
from engine.models.prior_clip.instruction_file import BuiltPriorClip, save_prior
from engine.train.gather import gather
from engine.train.losses import attribution
from engine.train.objectives import contrastive
from engine.train.prior_clip.config import PriorConfig
from engine.train.prior_clip.network import (
    LARGEST_TEMPERATURE,
    SMALLEST_TEMPERATURE,
    Embedder,
    choose_trained,
)
from engine.train.prior_clip.stream import PairStream, PriorBatch
from engine.train.runs.checkpoint import Fingerprint
from engine.train.runs.files import Files
from engine.train.runs.loop import Trainer
from engine.train.runs.measure import measure_pairs
from engine.types import Json, ProgressSink, no_progress

NAMED = 10_000  # damaged samples that a run remembers
TOLD = 5  # of them that the log names at once; all are in the report
log = logging.getLogger(__name__)


class PriorClipTrainer(Trainer):
    """One run of PriorCLIP on this process's device.

    Args:
        config: all settings.
        built: the network and what belongs to it.
        stream: batches.
        val: what selects, with its pixels uint8 ``(V, 3, S, S)``.
        fingerprint: see :class:`Trainer`.
        files: where results go.
        fabric: launched.
        facts: see :class:`Trainer`.
        progress: told after each step; may stop the run.
        whole: the CLIP is no longer the backbone's, and belongs into the file.
    """

    def __init__(
        self,
        config: PriorConfig,
        built: BuiltPriorClip,
        stream: PairStream,
        val: tuple[Tensor, Sequence[CaptionedPicture]],
        fingerprint: Fingerprint,
        files: Files,
        fabric: Fabric,
        facts: Json,
        progress: ProgressSink = no_progress,
        *,
        whole: bool,
    ) -> None:
        loader: DataLoader[Any] = DataLoader(
            stream, batch_size=None, num_workers=config.data.workers, pin_memory=fabric.device.type == "cuda"
        )
        self.built, self.settings, self.whole = built, config, whole
        self.val_pixels, self.val = val
        embedder = Embedder(built.model, built.mean, built.std)
        self.to_input = embedder.pixels
        super().__init__(
            config,
            built.model,
            embedder,
            stream,
            loader,
            new=choose_trained(built.model, config),
            fingerprint=fingerprint,
            files=files,
            fabric=fabric,
            facts=facts,
            progress=progress,
        )

    def loss(self, batch: PriorBatch) -> Tensor:
        self.note(batch.damaged)
        images, texts = self.model(batch.images, batch.tokens)
        images, texts = gather(self.fabric, images), gather(self.fabric, texts)
        net, weight = self.built.model, self.settings.objective.attribution
        whole = contrastive(images, texts, self._temperature(net.temp))
        if weight:
            scenes = gather(self.fabric, batch.scenes)
            whole = whole + weight * attribution(images, texts, scenes, self._temperature(net.temp2))
        return whole

    def note(self, damaged: Iterable[Damaged]) -> None:
        """Remembers samples that were left out; the log names the first ones."""
        known = self.state.damaged
        for sample in damaged:
            if sample.name not in known and len(known) < NAMED:
                known[sample.name] = sample.reason
                if len(known) <= TOLD:
                    log.warning("%s is left out: %s", sample.name, sample.reason)

    def measure(self) -> RetrievalReport:
        net, device = self.built.model, self.fabric.device
        return measure_pairs(
            lambda pixels: net.embed_images(self.to_input(pixels.to(device)))[0],
            lambda captions: net.embed_texts(self.built.tokenizer(captions).to(device)),
            self.val_pixels,
            [sample.captions for sample in self.val],
            "prior-clip",
        )

    def save_best(self) -> None:
        save_prior(self.files.best, self.built, whole=self.whole)

    def _validate(self) -> None:
        for rank in range(self.fabric.world_size if self.fabric.world_size > 1 else 0):
            others: dict[str, str] = self.fabric.broadcast(self.state.damaged, src=rank)
            self.note(Damaged(name, reason) for name, reason in others.items())
        super()._validate()

    def _temperature(self, value: Tensor) -> Tensor:
        """τ within its bounds; on W devices with 1/W of its gradient, since each of them has all of it."""
        with torch.no_grad():
            value.clamp_(SMALLEST_TEMPERATURE, LARGEST_TEMPERATURE)
        share = 1 / self.fabric.world_size
        return share * value + (1 - share) * value.detach()
