"""One command from pairs of images and captions to a trained MPS-CLIP."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric import Fabric

from engine.config import SegmenterName, cache_folder
from engine.datasets.rsicd import CaptionedImage, read_split
from engine.errors import Cancelled, OutputError, UsageError
from engine.models.registry import load_model
from engine.search.segmenters import make_segmenter
from engine.text.local import LocalKeywordExtractor
from engine.train.memory import keep_freed_memory
from engine.train.mps_clip.checkpoint import State
from engine.train.mps_clip.config import DataSettings, HardwareSettings, read_config
from engine.train.mps_clip.data import Pair, PairDataset, RegionSource, pairs_of, read_picture, spread
from engine.train.mps_clip.loop import Files, Trainer, chance_report
from engine.train.mps_clip.masks import MaskCache, caption_keywords, fill
from engine.train.mps_clip.network import build_network
from engine.train.mps_clip.report import environment
from engine.types import Json, ProgressSink, no_progress

CACHE_FILE = "training-masks.sqlite"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a run stands at its end, its files, and what a random order would reach on val (mR, percent)."""

    state: State
    files: Files
    chance: float


def train_mps_clip(
    data: Path,
    out: Path,
    config_file: Path | None = None,
    *,
    resume: bool = False,
    masks_only: bool = False,
    cache: Path | None = None,
    progress: ProgressSink = no_progress,
) -> Outcome | None:
    """Trains and leaves checkpoint, best weights, report and curves in ``out``.

    Args:
        data: folder in the layout of :mod:`engine.datasets.rsicd`; train is trained on, val selects.
        out: folder of the run.
        config_file: settings; None: the released recipe.
        resume: go on from the last checkpoint in ``out``.
        masks_only: fill the subimage cache and stop.
        cache: folder of the subimage cache; None: the user's.
        progress: told of everything that takes time; may stop the run.

    Returns:
        The outcome; None with ``masks_only``, and in all but the first of several processes.

    Raises:
        UsageError: data, settings or folder cannot be used.
        OutputError: ``out`` cannot be written.
        ModelError: the backbone's or the segmenter's weights are missing or do not fit.
    """
    config = read_config(config_file)
    train = spread(read_split(data, "train"), config.data.limit_train)
    val = spread(read_split(data, "val"), config.data.limit_val)
    for name, images in (("train", train), ("val", val)):
        if not images:
            raise UsageError(f"The split {name} of {data} is empty.", "Give a data set with images in it.")
    pairs = pairs_of(train, config.data.paraphrases)
    if not is_first_process():
        progress = no_progress
    files = Files(out)
    if not masks_only:
        _prepare(files, resume)
    keep_freed_memory()
    uses_regions = config.data.regions > 0 and config.data.segmenter is not SegmenterName.NONE
    file = cache_folder(cache) / CACHE_FILE
    keywords = caption_keywords([pair.caption for pair in pairs], LocalKeywordExtractor()) if uses_regions else {}
    # Before the processes of several devices meet: the first one outlines, and then all read.
    identity = outline(file, config.data, train, pairs, keywords, progress) if uses_regions else ""
    if masks_only:
        return None
    fabric = make_fabric(config.hardware)
    fabric.launch()
    regions = None
    if uses_regions:
        source = MaskCache(file, fabric.broadcast(identity))
        regions = RegionSource(source, train, pairs, keywords, config.data.regions)
    built = build_network(config.model, config.seed, progress)
    chance = chance_report(val).mean_recall
    start = built.backbone.name if config.model.weights else "random weights"
    facts: Json = {
        "title": f"MPS-CLIP from {start}, {len(pairs)} pairs",
        "chance_mR": round(chance, 4),
        "data": {"folder": str(data), "images": len(train), "pairs": len(pairs), "val_images": len(val)},
        "backbone": {"name": built.backbone.name, "sha256": built.backbone.sha256},
        "parameters": {
            "all": sum(p.numel() for p in built.model.parameters()),
            "trained": sum(p.numel() for p in built.model.parameters() if p.requires_grad),
        },
        "environment": environment(fabric.device, fabric.world_size),
    }
    dataset = PairDataset(train, pairs, config.data, built.image_size, config.seed, built.tokenizer, regions)
    trainer = Trainer(config, built, dataset, val, data_hash(train, pairs), files, fabric, facts, progress)
    if resume:
        trainer.resume()
    try:
        state = trainer.run()
    except Cancelled:
        if files.checkpoint.is_file() and fabric.is_global_zero:
            log.warning("the last checkpoint is %s; go on from there with --resume", files.checkpoint)
        raise
    return Outcome(state, files, chance) if fabric.is_global_zero else None


def outline(
    file: Path,
    settings: DataSettings,
    images: Sequence[CaptionedImage],
    pairs: Sequence[Pair],
    keywords: Mapping[str, Sequence[str]],
    progress: ProgressSink,
) -> str:
    """Fills the subimage cache in the first process; returns the identity under which its masks are kept there."""
    if not is_first_process():
        return ""
    model = load_model(settings.segmenter_model, "auto", progress)
    segmenter = make_segmenter(settings.segmenter, model)
    if segmenter is None:
        raise UsageError(f"The segmenter {settings.segmenter} outlines nothing.", "Set data.regions = 0.")
    # Part of it: the model, since a segmenter may look through it.
    identity = f"{segmenter.identity}|{model.identity.key}"
    wanted: dict[Path, list[str]] = {image.path: [] for image in images}
    for pair in pairs:
        wanted[images[pair.image].path] += keywords[pair.caption]
    cache = MaskCache(file, identity)
    try:
        fill(cache, wanted, read_picture, segmenter, progress)
    finally:
        cache.close()
    return identity


def make_fabric(settings: HardwareSettings) -> Fabric:
    """Fabric as the settings say; half precision, which CPUs lack, becomes full precision there.

    Raises:
        UsageError: this machine does not have what they ask for.
    """
    precision = settings.precision
    has_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    if precision == "16-mixed" and (settings.accelerator == "cpu" or (settings.accelerator == "auto" and not has_gpu)):
        log.warning("on the CPU training runs in full precision")
        precision = "32-true"
    try:
        return Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.nodes,
            strategy=settings.strategy,
            precision=precision,
        )
    except (ValueError, RuntimeError) as error:  # Fabric's own errors are among these
        raise UsageError(
            f"The hardware settings do not fit this machine: {' '.join(str(error).split())}",
            "Mend the section hardware of the settings.",
        ) from error


def is_first_process() -> bool:
    """Whether this is the first of the processes of a run, known before they have met."""
    ranks = (os.environ.get(name) for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"))
    return int(next((rank for rank in ranks if rank), "0")) == 0


def data_hash(images: Sequence[CaptionedImage], pairs: Sequence[Pair]) -> str:
    """sha256 (hex) over the names of the images and the captions, in their order."""
    rows = [[f"{images[pair.image].path.parent.name}/{images[pair.image].path.name}", pair.caption] for pair in pairs]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _prepare(files: Files, resume: bool) -> None:
    if files.checkpoint.is_file() and not resume:
        raise UsageError(
            f"{files.folder} holds a run already.", "Go on with it with --resume, or choose another folder with --out."
        )
    try:
        files.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{files.folder} cannot be made: {error.strerror}.", "Choose another folder with --out."
        ) from error
