"""One command from pairs of images and captions to a trained MPS-CLIP."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.config import SegmenterName, cache_folder
from engine.datasets.rsicd import CaptionedImage, read_split
from engine.errors import UsageError
from engine.models.registry import load_model
from engine.search.segmenters import make_segmenter
from engine.text.local import LocalKeywordExtractor
from engine.train.memory import keep_freed_memory
from engine.train.mps_clip.config import DataSettings, read_config
from engine.train.mps_clip.data import Pair, PairDataset, RegionSource, pairs_of
from engine.train.mps_clip.loop import MpsClipTrainer
from engine.train.mps_clip.masks import MaskCache, caption_keywords, fill
from engine.train.mps_clip.network import build_network
from engine.train.runs.complete import complete
from engine.train.runs.files import Files, Outcome, prepare
from engine.train.runs.hardware import is_first_process, make_fabric
from engine.train.runs.measure import chance_report
from engine.train.runs.pictures import read_picture, spread
from engine.train.runs.report import environment, parameter_counts
from engine.types import Json, ProgressSink, no_progress

CACHE_FILE = "training-masks.sqlite"


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
        prepare(files, resume)
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
    chance = chance_report([image.captions for image in val]).mean_recall
    start = built.backbone.name if config.model.weights else "random weights"
    facts: Json = {
        "title": f"MPS-CLIP from {start}, {len(pairs)} pairs",
        "chance_mR": round(chance, 4),
        "data": {"folder": str(data), "images": len(train), "pairs": len(pairs), "val_images": len(val)},
        "backbone": {"name": built.backbone.name, "sha256": built.backbone.sha256},
        "parameters": parameter_counts(built.model),
        "environment": environment(fabric.device, fabric.world_size),
    }
    dataset = PairDataset(train, pairs, config.data, built.image_size, config.seed, built.tokenizer, regions)
    trainer = MpsClipTrainer(config, built, dataset, val, data_hash(train, pairs), files, fabric, facts, progress)
    if resume:
        trainer.resume()
    return complete(trainer, chance)


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


def data_hash(images: Sequence[CaptionedImage], pairs: Sequence[Pair]) -> str:
    """sha256 (hex) over the names of the images and the captions, in their order."""
    rows = [[f"{images[pair.image].path.parent.name}/{images[pair.image].path.name}", pair.caption] for pair in pairs]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
