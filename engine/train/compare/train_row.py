"""One run: a row under one seed, from the common start to averaged weights, and what they reach on val."""

from __future__ import annotations

import math
import time
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.errors import UsageError
from engine.models.compact.parts_file import HEADS
from engine.train.compare.backbone import Backbone
from engine.train.compare.cache import ImageCache, TextCache
from engine.train.compare.config import CompareConfig
from engine.train.compare.data import CompareData
from engine.train.compare.net import SystemNet
from engine.train.compare.objective import Batch, Objective
from engine.train.compare.rows import Row, system_parts
from engine.train.compare.start import Start, draw_captions
from engine.train.packaged.average import follow
from engine.train.seeds import Purpose, derived_seed, seed_generators
from engine.types import Progress, ProgressSink


@dataclass(frozen=True, slots=True)
class Caches:
    """What is kept of the training images, their captions and the nouns, and of val."""

    train: ImageCache
    texts: TextCache
    nouns: TextCache
    val: ImageCache
    val_texts: TextCache


@dataclass(frozen=True, slots=True)
class Trained:
    """The averaged network; running mean of the loss at the end; minutes by the clock and of the processor."""

    net: SystemNet
    loss: float
    minutes: float
    processor_minutes: float


def build(
    row: Row,
    seed: int,
    backbone: Backbone,
    data: CompareData,
    start: Start,
    device: torch.device,
    feature_dropout: float = 0.0,
) -> SystemNet:
    """A row's network as it starts: seeds decide fresh parts, and nothing of the rest."""
    seed_generators(derived_seed(seed, Purpose.WEIGHTS, 1), torch.device("cpu"))
    parts = system_parts(row.parts, len(data.scene_names))
    return SystemNet(backbone, parts, start.heads, start.prior, device, feature_dropout)


def train_row(
    row: Row,
    seed: int,
    backbone: Backbone,
    data: CompareData,
    caches: Caches,
    start: Start,
    config: CompareConfig,
    device: torch.device,
    progress: ProgressSink,
) -> Trained:
    """Trains a row; pairs and views depend on the seed and the step alone, and so are the same in all rows.

    A row of the packaged backbone that has nothing to train is measured as it stands.

    Raises:
        UsageError: there are fewer images than a batch.
    """
    begun, worked = time.monotonic(), time.process_time()
    if len(caches.train) < config.batch:
        raise UsageError(
            f"{len(caches.train)} images do not fill a batch of {config.batch}.", "Give more data, or lower the batch."
        )
    net = build(row, seed, backbone, data, start, device, config.feature_dropout)
    random = torch.Generator()
    objective = Objective(row.parts, config, caches.nouns, backbone.embed_dim, random).to(device)
    groups = parameter_groups(net, objective, config)
    average = deepcopy(net).requires_grad_(False)
    running = 0.0
    if any(p.requires_grad for p in net.parameters()):
        optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
        peaks = [group["lr"] for group in optimizer.param_groups]
        trained = [p for group in optimizer.param_groups for p in group["params"]]
        for step, rows in enumerate(batches(len(caches.train), seed, config)):
            random.manual_seed(derived_seed(seed, Purpose.AUGMENTATION, step))
            seed_generators(derived_seed(seed, Purpose.STEP, step), device)
            factor = schedule(step, config)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
            net.train()
            loss = objective(net, draw_batch(rows, data, caches, random, device), step)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(trained, config.gradient_clip, error_if_nonfinite=True)
            optimizer.step()
            follow(average, net, step, config.ema_decay)
            running = loss.item() if step == 0 else 0.9 * running + 0.1 * loss.item()
            progress(Progress(f"{row.name}, seed {seed}", step + 1, config.steps, f"loss {running:.3f}"))
    average.eval()
    return Trained(average, running, (time.monotonic() - begun) / 60, (time.process_time() - worked) / 60)


def draw_batch(rows: Tensor, data: CompareData, caches: Caches, random: torch.Generator, device: torch.device) -> Batch:
    """A view and a caption of each image ``rows`` ``(B,)``; what comes first draws first."""
    views = torch.randint(len(caches.train.maps), (len(rows),), generator=random)
    chosen = draw_captions(data, rows, random)
    maps, pooled = caches.train.draw(rows, views)
    states, mask = caches.texts.draw(chosen)
    rest = (data.train.same[chosen], data.train.scenes[rows], data.nouns.priors(rows), data.nouns.shown[rows])
    same, scenes, priors, shown = (each.to(device) for each in rest)
    return Batch(maps.to(device), pooled.to(device), states.to(device), mask.to(device), same, scenes, priors, shown)


def batches(count: int, seed: int, config: CompareConfig) -> list[Tensor]:
    """Rows ``(B,)`` of each step: passes over all images in orders of their own, rests left out."""
    found: list[Tensor] = []
    epoch = 0
    while len(found) < config.steps:
        order = torch.Generator().manual_seed(derived_seed(seed, Purpose.ORDER, epoch))
        rows = torch.randperm(count, generator=order)
        found += torch.split(rows, config.batch)[: count // config.batch]
        epoch += 1
    return found[: config.steps]


def schedule(step: int, config: CompareConfig) -> float:
    """Factor of the learning rates: a rise, and a cosine to zero."""
    start = max(1, int(config.steps * config.warm_up))
    if step < start:
        return (step + 1) / start
    return 0.5 * (1 + math.cos(math.pi * (step - start) / max(1, config.steps - start)))


def parameter_groups(net: SystemNet, objective: Objective, config: CompareConfig) -> list[dict[str, object]]:
    """The towers' last halves, the heads, and the parts with what training alone needs; each with its rate."""
    system = dict(net.system.named_parameters())
    kinds = (
        (list(net.image_last.parameters()), config.lr_image),
        (list(net.text_last.parameters()), config.lr_text),
        ([system[name] for name in HEADS], config.lr_heads),
        ([p for name, p in system.items() if name not in HEADS] + list(objective.parameters()), config.lr_parts),
    )
    groups: list[dict[str, object]] = []
    for parameters, rate in kinds:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        if trained:
            groups.append({"params": trained, "lr": rate})
    return groups
