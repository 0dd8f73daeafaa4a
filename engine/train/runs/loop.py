"""The training loop: epochs of steps, selection on val, early stop, checkpoints."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from engine.errors import EngineError, UsageError
from engine.evaluate.retrieval import RetrievalReport
from engine.files import replace_file
from engine.train.runs.checkpoint import Fingerprint, State, load_checkpoint, save_checkpoint
from engine.train.runs.files import Files
from engine.train.runs.pictures import Problem
from engine.train.runs.plot import draw_curves
from engine.train.runs.report import write_report
from engine.train.runs.settings import OptimiserSettings, RunConfig
from engine.train.seeds import Purpose, derived_seed, seed_generators
from engine.types import Json, Progress, ProgressSink, no_progress

DRAWING_SECONDS = 10.0  # curves are drawn no more often while a run goes on


class BatchOrder(Protocol):
    """Which batches an epoch has; ``epoch`` and ``first`` (the batch to start with) are set before each pass."""

    epoch: int
    first: int

    @property
    def count(self) -> int:
        """Batches of a whole epoch, on one device."""
        ...


class Trainer(ABC):
    """One run on this process's device.

    Args:
        config: all settings.
        net: the network whose parameters with a gradient are trained and kept in checkpoints.
        embedder: what a step computes on one device, ``net`` within it: data-parallel training needs one module.
        order: see :class:`BatchOrder`.
        loader: makes the batches of a pass, or a :class:`Problem` in the place of one.
        new: parameters that are new to the backbone.
        fingerprint: what a resumed run must have alike.
        files: where results go.
        fabric: launched.
        facts: further entries of the report, ``chance_mR`` and a ``title`` for the curves among them.
        progress: told after each step; may stop the run.

    Raises:
        UsageError: the pairs do not fill a batch.
    """

    def __init__(
        self,
        config: RunConfig,
        net: nn.Module,
        embedder: nn.Module,
        order: BatchOrder,
        loader: Iterable[Any],
        *,
        new: Sequence[nn.Parameter],
        fingerprint: Fingerprint,
        files: Files,
        fabric: Fabric,
        facts: Json,
        progress: ProgressSink = no_progress,
    ) -> None:
        self.config, self.net, self.files, self.fabric, self.progress = config, net, files, fabric, progress
        self.order, self.loader, self.fingerprint, self.facts = order, loader, fingerprint, facts
        if not order.count:
            raise UsageError(
                f"The pairs do not fill a batch of {config.optimiser.batch_pairs} on each of "
                f"{fabric.world_size} devices.",
                "Lower optimiser.batch_pairs.",
            )
        self.steps = min(order.count * config.optimiser.epochs, config.optimiser.max_steps or 10**12)
        optimizer = torch.optim.AdamW(parameter_groups(net, new, config.optimiser))
        self.peaks = [group["lr"] for group in optimizer.param_groups]
        self.embedder = embedder
        self.model, self.optimizer = fabric.setup(embedder, optimizer)
        self.state = State()
        self._drawn = time.monotonic()

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """Of a batch on the device, over the pairs of all devices; 0-d. A step's one forward pass is in it."""

    @abstractmethod
    def measure(self) -> RetrievalReport:
        """Recalls of the network as it is, over val, by global scores."""

    @abstractmethod
    def save_best(self) -> None:
        """Writes the network as it is to :attr:`Files.best`."""

    def resume(self) -> None:
        """Goes on from the last checkpoint."""
        precision = self.fabric.strategy.precision
        self.state = load_checkpoint(self.files.checkpoint, self.fingerprint, self.net, self.optimizer, precision)

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

    def _step(self, batch: Any) -> float:
        """One step; returns its loss over the pairs of all devices."""
        optimiser, state = self.config.optimiser, self.state
        factor = schedule(state.step, self.steps, optimiser.warm_up)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor
        state.rates.append(optimiser.lr * factor)
        seed = derived_seed(self.config.seed, Purpose.STEP, state.step, self.fabric.global_rank)
        seed_generators(seed, self.fabric.device)
        self.embedder.train()
        loss = self.loss(batch)
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

    def _validate(self) -> None:
        """Recalls on val; the first device measures, all know the outcome."""
        started = time.monotonic()
        state = self.state
        self.net.eval()
        with self.fabric.autocast():
            found: Json = self.measure().to_json() if self.fabric.is_global_zero else {}
        report: Json = self.fabric.broadcast(found)
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

    def _keep(self) -> None:
        if self.fabric.is_global_zero and self.state.best is self.state.history[-1]:
            self.save_best()
        self._save()
        self._write("running")

    def _save(self) -> None:
        if self.fabric.is_global_zero:
            precision = self.fabric.strategy.precision
            save_checkpoint(self.files.checkpoint, self.state, self.fingerprint, self.net, self.optimizer, precision)

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


def parameter_groups(net: nn.Module, new: Sequence[nn.Parameter], settings: OptimiserSettings) -> list[dict[str, Any]]:
    """Groups for AdamW: new parameters and the backbone's, each with and without weight decay."""
    fresh = {id(parameter) for parameter in new}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in net.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in fresh, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": settings.lr * (settings.new_lr_factor if is_new else 1.0),
            "weight_decay": settings.weight_decay if decays else 0.0,
        }
        for (is_new, decays), parameters in groups.items()
    ]
