"""The training loop of the packaged model: heads first on frozen features, then both towers; selection on val."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from engine.errors import UsageError
from engine.evaluate.retrieval import RetrievalReport
from engine.models.compact.dual_encoder import HUB_PREFIXES, PART_PREFIXES, DualEncoder
from engine.train.packaged import unfinished
from engine.train.packaged.average import follow
from engine.train.packaged.base_weights import efficientnet, load_minilm
from engine.train.packaged.batch import draw_batch
from engine.train.packaged.checkpoint import save_checkpoint
from engine.train.packaged.config import TrainingConfig
from engine.train.packaged.data import TrainingData
from engine.train.packaged.likeness import Likeness
from engine.train.packaged.measure import val_report
from engine.train.packaged.objective import CALLED, Objective
from engine.train.packaged.synonyms import Synonyms
from engine.train.packaged.text_features import TextFeatures
from engine.train.packaged.warm_start import train_heads
from engine.train.seeds import Purpose, derived_seed, seed_generators
from engine.types import Progress, ProgressSink, no_progress


class Trainer:
    """Holds what one run needs; :meth:`run` leaves ``last.pt``, ``best.pt`` and ``report.json`` in ``folder``.

    Args:
        config: the recipe.
        data: trained on and chosen by; of the same ``limit_images`` and ``vocabulary``.
        folder: exists.
        fabric: of one device.
        progress: told after each step; may stop the run.
        start: a checkpoint whose weights take the place of the published ones; parts that it lacks start fresh.
        run: tells runs apart (:func:`engine.train.packaged.unfinished.digest_of`): the state is kept in ``folder``
            after each epoch, and a run that was cut goes on from there. None: nothing is kept.

    Raises:
        UsageError: ``start`` does not fit.
    """

    def __init__(
        self,
        config: TrainingConfig,
        data: TrainingData,
        folder: Path,
        fabric: Fabric,
        progress: ProgressSink = no_progress,
        start: Path | None = None,
        run: str | None = None,
    ) -> None:
        self.config, self.data, self.folder, self.fabric, self.progress = config, data, folder, fabric, progress
        self._run = run
        fabric.seed_everything(config.seed, verbose=False)
        self.random = torch.Generator().manual_seed(config.seed)
        model = DualEncoder(data.text_config, config.embed_dim, config.feature_dropout, config.parts)
        model.image_tower.load_state_dict(efficientnet(config.image_tower))
        model.image_tower.drop_paths(config.drop_path)
        load_minilm(model.text_tower, data.vocabulary)
        self.likeness = Likeness(self._published, config.likeness_width)
        self.synonyms = Synonyms.shipped(config.synonym_rate)
        self.warm = start is not None
        if start is not None:
            load_start(model, start, data.vocabulary)
        model.to(memory_format=torch.channels_last)
        self.model: DualEncoder = fabric.to_device(model)  # type: ignore[assignment]
        self.features = self._text_features()
        self.history: list[dict[str, float]] = []

    def run(self) -> RetrievalReport:
        """Trains and returns the best val report."""
        started = time.monotonic()
        kept = None if self._run is None else unfinished.read(self.folder / unfinished.FILE, self._run)
        if kept is None:
            self.warm_up()
        self._freeze()
        objective = Objective(self.config, self.data, self.model, self.likeness, self.features, self.random)
        steps_an_epoch = len(self.data.train) // self.config.batch_images
        total = min(steps_an_epoch * self.config.epochs, self.config.max_steps or 10**9)
        optimizer = torch.optim.AdamW(self._parameter_groups(objective), weight_decay=self.config.weight_decay)
        peaks = [g["lr"] for g in optimizer.param_groups]
        model, optimizer = self.fabric.setup(self.model, optimizer, _reapply_compile=False)
        for method in CALLED:
            model.mark_forward_method(method)
        average = deepcopy(self.model)
        average.requires_grad_(False)
        parts = {"model": self.model, "average": average, "optimizer": optimizer, "objective": objective}
        reports: list[RetrievalReport] = []
        step, running, first = 0, 0.0, 0
        if kept is not None:
            place = unfinished.put_back(kept, parts)
            step, running, self.history = place["step"], place["loss"], place["history"]
            reports, first = [unfinished.report_from_kept(place["best"])], len(self.history)
            started -= 60 * self.history[-1]["minutes"]
            kept = None  # as large as the run itself
        for epoch in range(first, self._epochs_to_do(steps_an_epoch, total)):
            for rows in self._batches(epoch):
                factor = schedule(step, total, self.config, steps_an_epoch)
                for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                    group["lr"] = peak * factor
                self._seed(step)
                self.model.train()
                batch = draw_batch(rows, self.data, self.config, self.synonyms, self.random)
                loss = objective(model, batch)
                self.fabric.backward(loss)
                self.fabric.clip_gradients(
                    model, optimizer, max_norm=self.config.gradient_clip, error_if_nonfinite=True
                )
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                follow(average, self.model, step, self.config.ema_decay)
                step += 1
                running = loss.item() if step == 1 else 0.98 * running + 0.02 * loss.item()
                self.progress(Progress("train", step, total, f"loss {running:.3f}"))
                if step == total:
                    break
            report = self.validate(average)
            self.history.append(
                {
                    "epoch": epoch + 1,
                    "loss": running,
                    "val_mR": report.mean_recall,
                    "minutes": (time.monotonic() - started) / 60,
                }
            )
            reports.append(report)
            best = max(reports, key=lambda r: r.mean_recall)
            if best is report:
                self.save("best.pt", average)
            self.save("last.pt", average)
            self._report(best)
            if self._run is not None:
                place = {"step": step, "loss": running, "history": self.history}
                place["best"] = unfinished.report_to_kept(best)
                unfinished.keep(self.folder / unfinished.FILE, self._run, parts, place)
        return max(reports, key=lambda r: r.mean_recall)

    def _epochs_to_do(self, steps_an_epoch: int, total: int) -> int:
        """Until the first of the ends that the settings name."""
        needed = max(1, math.ceil(total / max(1, steps_an_epoch)))
        return min(self.config.epochs, needed, self.config.stop_epoch or self.config.epochs)

    def warm_up(self) -> None:
        """Trains the heads alone, unless the run goes on from a checkpoint."""
        if not self.warm and self.config.head_steps:
            features = self.features or TextFeatures(self.model.text_tower, self.data.tokenizer)
            train_heads(
                self.model, self.data, features, self.likeness, self.config, self.fabric, self.random, self.progress
            )
            self.warm = True

    def validate(self, model: DualEncoder) -> RetrievalReport:
        """Recalls of a state of the network on RSICD val with the standard captions."""
        return val_report(model, self.data, self.config.image_size, self.features)

    def save(self, name: str, model: DualEncoder) -> None:
        """Writes a checkpoint into the run's folder."""
        save_checkpoint(self.folder / name, model, self.data.vocabulary, self.config.model_dump())

    def _published(self, texts: Sequence[str]) -> Tensor:
        """Features of texts from the text tower as it was published, which is made when it is first asked for."""
        self.fabric.to_device(self.data.published.tower)
        return self.data.published(texts)

    def _text_features(self) -> TextFeatures | None:
        """Of the text tower where all of it stays as it is."""
        tower = self.model.text_tower
        if self.config.frozen_text_layers < tower.config.layers:
            return None
        published = self.fabric.to_device(self.data.published.tower).state_dict()
        if all(torch.equal(value, published[name]) for name, value in tower.state_dict().items()):
            return self.data.published
        return TextFeatures(tower, self.data.tokenizer)

    def _seed(self, step: int) -> None:
        """What a step draws depends on the seed and the step alone, not on what the steps before it drew."""
        self.random.manual_seed(derived_seed(self.config.seed, Purpose.AUGMENTATION, step))
        seed_generators(derived_seed(self.config.seed, Purpose.STEP, step), self.fabric.device)

    def _batches(self, epoch: int) -> Iterator[Tensor]:
        order = torch.Generator().manual_seed(derived_seed(self.config.seed, Purpose.ORDER, epoch))
        rows = torch.randperm(len(self.data.train), generator=order)
        yield from torch.split(rows, self.config.batch_images)[: len(rows) // self.config.batch_images]

    def _freeze(self) -> None:
        text = self.model.text_tower
        text.words.requires_grad_(False)
        if self.config.frozen_text_layers:
            for module in (text.positions, text.norm, *list(text.encoder.layers)[: self.config.frozen_text_layers]):
                module.requires_grad_(False)
        for module in self.model.image_tower.frozen_prefix(self.config.frozen_stages):
            module.requires_grad_(False)

    def _parameter_groups(self, objective: Objective) -> list[dict[str, Any]]:
        """The towers, and everything that is new."""
        towers = [trainable(self.model.image_tower), trainable(self.model.text_tower)]
        known = {id(parameter) for tower in towers for parameter in tower}
        new = [p for p in [*trainable(self.model), *trainable(objective)] if id(p) not in known]
        rates = [self.config.lr_image, self.config.lr_text, self.config.lr_heads]
        return [{"params": params, "lr": rate} for params, rate in zip([*towers, new], rates, strict=True) if params]

    def _report(self, best: RetrievalReport) -> None:
        report = {
            "config": self.config.model_dump(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "history": self.history,
            "best": best.to_json(),
        }
        (self.folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def load_start(model: DualEncoder, file: Path, vocabulary: list[str]) -> None:
    """Loads a checkpoint of training; parts of MPS-CLIP that it does not have stay as they are.

    A student's hub terms are left out: they are of the space that it learned, which moves.

    Raises:
        UsageError: it has another vocabulary, or weights that do not fit.
    """
    saved = torch.load(file, map_location="cpu", weights_only=True)
    if saved["vocabulary"] != vocabulary:
        raise UsageError(f"{file} was trained with another vocabulary.", "Give its settings with --config.")
    fresh = {name: value for name, value in model.state_dict().items() if name.startswith(PART_PREFIXES)}
    weights = {name: value for name, value in saved["model"].items() if not name.startswith(HUB_PREFIXES)}
    try:
        model.load_state_dict(fresh | weights)
    except RuntimeError as error:
        raise UsageError(f"{file} does not fit the settings: {error}", "Give its settings with --config.") from error


def trainable(module: nn.Module) -> list[nn.Parameter]:
    return [p for p in module.parameters() if p.requires_grad]


def schedule(step: int, total: int, config: TrainingConfig, steps_an_epoch: int) -> float:
    """Factor of the learning rates at a step, see :class:`TrainingConfig`."""
    start = max(1, int(total * config.warm_up_fraction))
    if step < start:
        return (step + 1) / start
    horizon = max(total, config.horizon_epochs * steps_an_epoch)
    line = total - config.cool_down_epochs * steps_an_epoch  # the step at which the line begins

    def cosine(at: int) -> float:
        return 0.5 * (1 + math.cos(math.pi * max(0, at - start) / max(1, horizon - start)))

    return cosine(step) if step < line else cosine(line) * (total - step) / (total - line)
