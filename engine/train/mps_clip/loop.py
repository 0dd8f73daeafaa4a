"""The training loop: epochs of steps, selection on val, early stop, checkpoints."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader

from engine.datasets.rsicd import CaptionedImage
from engine.errors import EngineError, UsageError
from engine.evaluate.retrieval import RetrievalReport, evaluate_embeddings
from engine.models.mps_clip.build import BuiltMpsClip
from engine.train.gather import gather
from engine.train.mps_clip.checkpoint import Fingerprint, State, load_checkpoint, replace_file, save_checkpoint
from engine.train.mps_clip.config import TrainingConfig
from engine.train.mps_clip.data import Batch, EpochBatches, PairDataset, Problem, collate, read_picture
from engine.train.mps_clip.export import save_best
from engine.train.mps_clip.network import Embedder
from engine.train.mps_clip.plot import draw_curves
from engine.train.mps_clip.report import write_report
from engine.train.objectives import (
    contrastive,
    multi_view_contrastive,
    multi_view_triplet,
    total,
    total_contrastive,
    total_triplet,
    weighted_triplet,
)
from engine.train.seeds import Purpose, derived_seed, seed_generators
from engine.types import Json, Progress, ProgressSink, no_progress

IMAGES_AT_ONCE = 64
TEXTS_AT_ONCE = 256
DRAWING_SECONDS = 10.0  # curves are drawn no more often while a run goes on


@dataclass(frozen=True, slots=True)
class Files:
    """What a run leaves in its folder."""

    folder: Path

    @property
    def checkpoint(self) -> Path:
        return self.folder / "last.ckpt"

    @property
    def best(self) -> Path:
        return self.folder / "best.safetensors"

    @property
    def report(self) -> Path:
        return self.folder / "report.json"

    @property
    def plot(self) -> Path:
        return self.folder / "curves.png"


class Trainer:
    """One run on this process's device.

    Args:
        config: all settings.
        built: the network and what belongs to it.
        train: pairs.
        val: images of val.
        data: a hash of the pairs.
        files: where results go.
        fabric: launched.
        facts: further entries of the report, ``chance_mR`` and a ``title`` for the curves among them.
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
        self.config, self.built, self.files, self.fabric, self.progress = config, built, files, fabric, progress
        self.order = EpochBatches(
            len(train), config.optimiser.batch_pairs, config.seed, fabric.global_rank, fabric.world_size
        )
        if not self.order.count:
            raise UsageError(
                f"{len(train)} pairs do not fill a batch of {config.optimiser.batch_pairs} on each of "
                f"{fabric.world_size} devices.",
                "Lower optimiser.batch_pairs.",
            )
        self.steps = min(self.order.count * config.optimiser.epochs, config.optimiser.max_steps or 10**12)
        workers = config.data.workers
        self.loader: DataLoader[Any] = DataLoader(
            train,
            batch_sampler=self.order,
            num_workers=workers,
            collate_fn=collate,
            pin_memory=fabric.device.type == "cuda",
            persistent_workers=workers > 0,
        )
        self.val = val
        self.embedder = Embedder(built.model, built.mean, built.std)
        optimizer = torch.optim.AdamW(parameter_groups(built, config))
        self.peaks = [group["lr"] for group in optimizer.param_groups]
        self.model, self.optimizer = fabric.setup(self.embedder, optimizer)
        self.fingerprint = Fingerprint(config, fabric.world_size, built.backbone.sha256, data)
        self.state = State()
        self.facts = facts
        self._val_pixels: Tensor | None = None
        self._drawn = time.monotonic()

    def resume(self) -> None:
        """Goes on from the last checkpoint."""
        precision = self.fabric.strategy.precision
        self.state = load_checkpoint(
            self.files.checkpoint, self.fingerprint, self.built.model, self.optimizer, precision
        )

    @property
    def finished(self) -> bool:
        """Whether all steps are done and their val mR is known, or no better one is to be waited for."""
        state = self.state
        if state.history and state.history[-1]["step"] == self.steps:
            return True
        return self.stopped_early

    @property
    def stopped_early(self) -> bool:
        state, patience = self.state, self.config.optimiser.patience
        if patience is None or state.best is None:
            return False
        return len(state.history) - int(state.best["epoch"]) >= patience

    def run(self) -> State:
        """Trains to the end and returns where the run stands then."""
        while not self.finished:
            self._epoch()
            self._validate()
            self._keep()
        self._write("stopped early" if self.stopped_early else "finished")
        return self.state

    def _epoch(self) -> None:
        """The steps of the current epoch that are still to do."""
        state, every = self.state, self.config.hardware.checkpoint_steps
        self.order.epoch, self.order.first = state.epoch, state.batch
        started = time.monotonic()
        said = f"epoch {state.epoch + 1} of {self.config.optimiser.epochs}"
        if state.history:
            said += f" (so far: loss {state.history[-1]['loss']:.3f}, val mR {state.history[-1]['val']['mR']:.2f})"
        for batch in self.loader:
            if state.step == self.steps:
                break
            if isinstance(batch, Problem):
                raise UsageError(batch.problem, batch.remedy)
            state.losses.append(self._step(batch.to(self.fabric.device)))
            state.step += 1
            state.batch += 1
            now = time.monotonic()
            state.seconds, started = state.seconds + now - started, now
            if every is not None and state.step % every == 0 and state.batch < self.order.count:
                self._save()
            self.progress(Progress("train", state.batch, self.order.count, said))
        state.epoch, state.batch = state.epoch + 1, 0

    def _step(self, batch: Batch) -> float:
        """One step; returns its loss over the pairs of all devices."""
        optimiser, state = self.config.optimiser, self.state
        factor = schedule(state.step, self.steps, optimiser.warm_up)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor
        state.rates.append(optimiser.lr * factor)
        seed = derived_seed(self.config.seed, Purpose.STEP, state.step, self.fabric.global_rank)
        seed_generators(seed, self.fabric.device)
        self.embedder.train()
        images, texts, views = self.model(batch.images, batch.masks, batch.valid, batch.tokens)
        fabric = self.fabric
        loss = self._objective(
            gather(fabric, images), gather(fabric, texts), gather(fabric, views, 1), gather(fabric, batch.image_ids)
        )
        value = float(loss.detach())
        if not math.isfinite(value):
            raise EngineError(
                f"The loss of step {state.step + 1} is {value}.",
                "Lower optimiser.lr, set optimiser.gradient_clip, or train with hardware.precision = '32-true'.",
                step=state.step + 1,
            )
        # Each device has the gradient of its own slice alone, and their mean is taken: times their number it is that
        # of the whole batch, as on one device.
        self.fabric.backward(loss * self.fabric.world_size)
        if optimiser.gradient_clip is not None:
            self.fabric.clip_gradients(
                self.model, self.optimizer, max_norm=optimiser.gradient_clip, error_if_nonfinite=False
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return value

    def _objective(self, images: Tensor, texts: Tensor, views: Tensor, ids: Tensor) -> Tensor:
        settings, net = self.config.objective, self.built.model
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

    def _validate(self) -> None:
        """Recalls on val by global scores; the first device measures, all know the outcome."""
        started = time.monotonic()
        state = self.state
        report: Json = self.fabric.broadcast(self.measure().to_json() if self.fabric.is_global_zero else {})
        losses = state.losses[(state.epoch - 1) * self.order.count :]
        state.seconds += time.monotonic() - started
        row: Json = {
            "epoch": state.epoch,
            "step": state.step,
            "loss": float(np.mean(losses)),
            "lr": state.rates[-1],
            "val": report,
            "minutes": round(state.seconds / 60, 3),
        }
        state.history.append(row)
        if state.best is None or row["val"]["mR"] > state.best["val"]["mR"]:
            state.best = row

    @torch.no_grad()
    def measure(self) -> RetrievalReport:
        """Recalls of the network as it is, over val, by global scores."""
        net, device = self.built.model, self.fabric.device
        net.eval()
        captions = [caption for image in self.val for caption in image.captions]
        distinct = list(dict.fromkeys(captions))
        place = {caption: i for i, caption in enumerate(distinct)}
        owner = np.repeat(np.arange(len(self.val)), [len(image.captions) for image in self.val])
        texts, images = [], []
        with self.fabric.autocast():
            for start in range(0, len(distinct), TEXTS_AT_ONCE):
                tokens = self.built.tokenizer(distinct[start : start + TEXTS_AT_ONCE]).to(device)
                texts.append(net.embed_texts(tokens).whole.float().cpu())
            pixels = self._pixels_of_val()
            for start in range(0, len(pixels), IMAGES_AT_ONCE):
                part = self.embedder.pixels(pixels[start : start + IMAGES_AT_ONCE].to(device))
                images.append(net.embed_images(part).whole.float().cpu())
        rows = [place[caption] for caption in captions]
        return evaluate_embeddings(torch.cat(images).numpy(), torch.cat(texts)[rows].numpy(), owner, "mps-clip", "val")

    def _pixels_of_val(self) -> Tensor:
        if self._val_pixels is None:
            pictures = [read_picture(image.path, self.built.image_size) for image in self.val]
            self._val_pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
        return self._val_pixels

    def _keep(self) -> None:
        if self.fabric.is_global_zero and self.state.best is self.state.history[-1]:
            save_best(self.files.best, self.built, self.config)
        self._save()
        self._write("running")

    def _save(self) -> None:
        if self.fabric.is_global_zero:
            precision = self.fabric.strategy.precision
            save_checkpoint(
                self.files.checkpoint, self.state, self.fingerprint, self.built.model, self.optimizer, precision
            )

    def _write(self, status: str) -> None:
        if self.fabric.is_global_zero:
            write_report(self.files.report, self.config, self.state, status, self.facts)
            if status != "running" or time.monotonic() - self._drawn > DRAWING_SECONDS:
                self._draw()

    def _draw(self) -> None:
        draw = partial(
            draw_curves,
            losses=self.state.losses,
            history=self.state.history,
            chance=self.facts["chance_mR"],
            steps_an_epoch=self.order.count,
            title=f"{self.facts['title']}, seed {self.config.seed}",
        )
        replace_file(self.files.plot, draw)
        self._drawn = time.monotonic()


def schedule(step: int, steps: int, warm_up: float) -> float:
    """Factor of the learning rates at a step from 0: a line up over the warm-up's share, then a line down to zero.

    Every step has a factor above 0: the first 1 / (warm-up steps), the last 1 / (steps after the warm-up).
    """
    rising = round(steps * warm_up)
    if step < rising:
        return (step + 1) / rising
    return (steps - step) / (steps - rising)


def parameter_groups(built: BuiltMpsClip, config: TrainingConfig) -> list[dict[str, Any]]:
    """Groups for AdamW: new parameters and the backbone's, each with and without weight decay."""
    settings = config.optimiser
    new = {id(parameter) for parameter in built.model.new_parameters()}
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for parameter in built.model.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in new, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": settings.lr * (settings.new_lr_factor if is_new else 1.0),
            "weight_decay": settings.weight_decay if decays else 0.0,
        }
        for (is_new, decays), parameters in groups.items()
    ]


def chance_report(val: list[CaptionedImage]) -> RetrievalReport:
    """Recalls that a random order has: all scores tie, and ties count as what they are expected to give."""
    owner = np.repeat(np.arange(len(val)), [len(image.captions) for image in val])
    images, texts = np.ones((len(val), 1), np.float32), np.ones((len(owner), 1), np.float32)
    return evaluate_embeddings(images, texts, owner, "chance", "val")
