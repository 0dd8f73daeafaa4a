"""One command from image-caption pairs to a trained PriorCLIP of the open domain, one stage at a time."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from lightning.fabric import Fabric

from engine.datasets.captioned_folder import Damaged
from engine.errors import ModelError, UsageError
from engine.models.clip_backbone import BuiltClip, chosen_source
from engine.models.prior_clip.instruction_file import SceneReading, assemble, build_backbone, read_prior
from engine.models.weights import file_sha256
from engine.train.memory import keep_freed_memory
from engine.train.prior_clip.config import PriorConfig, read_config
from engine.train.prior_clip.loop import PriorClipTrainer
from engine.train.prior_clip.network import choose_trained
from engine.train.prior_clip.pictures import load_pictures
from engine.train.prior_clip.scene_reading import learn_scene, save_scene, stored_scene
from engine.train.prior_clip.sources import Opened, open_data
from engine.train.prior_clip.stream import PairStream
from engine.train.runs.checkpoint import FREE, Fingerprint
from engine.train.runs.complete import complete
from engine.train.runs.files import Files, Outcome, prepare
from engine.train.runs.hardware import is_first_process, make_fabric
from engine.train.runs.measure import chance_report
from engine.train.runs.report import environment, parameter_counts
from engine.train.seeds import Purpose, derived_seed
from engine.types import Json, ProgressSink, no_progress

SCENE_FILE = "scene-prior.safetensors"


def train_prior_clip(
    data: Path,
    out: Path,
    config_file: Path | None = None,
    *,
    start: Path | None = None,
    resume: bool = False,
    progress: ProgressSink = no_progress,
) -> Outcome | None:
    """Trains one stage and leaves checkpoint, best weights, scene prior, report and curves in ``out``.

    The source trains in two stages, on many coarse pairs and then on few fine ones, and names the instruction for the
    second. Read here as: the first stage trains the CLIP alone (its pairs have no scenes, so nothing could teach a
    prior), the second adds the instruction. Both are settings; a first stage with a prior is possible.

    Args:
        data: folder of pairs, see :func:`engine.train.prior_clip.sources.open_data`. No test split is ever read.
        out: folder of the run.
        config_file: settings; None: the second stage's.
        start: ``best.safetensors`` of an earlier stage.
        resume: go on from the last checkpoint in ``out``.
        progress: told of everything that takes time; may stop the run.

    Returns:
        The outcome; None in all but the first of several processes.

    Raises:
        UsageError: data, settings or folder cannot be used.
        OutputError: ``out`` cannot be written.
        ModelError: weights are missing or do not fit.
    """
    config = read_config(config_file)
    if not is_first_process():
        progress = no_progress
    opened = open_data(data, config.data, progress)
    files = Files(out)
    prepare(files, resume)
    keep_freed_memory()
    fabric = make_fabric(config.hardware)
    fabric.launch()
    source = chosen_source(
        config.model.architecture, config.model.weights, derived_seed(config.seed, Purpose.WEIGHTS), progress
    )
    backbone = build_backbone(source)
    start_hash = "" if start is None else _checked_start(start, backbone)
    scene, damaged = _scene(config, data, out / SCENE_FILE, backbone, start, fabric, resume, progress)
    pixels, val, unreadable = load_pictures(opened.val, backbone.image_size)
    if not val:
        raise UsageError(f"No picture of val can be read: {unreadable[0].reason}.", "Mend the data, or set data.val.")
    built = assemble(
        backbone,
        scene,
        seed=derived_seed(config.seed, Purpose.WEIGHTS, 1),
        start=start,
        temperature=config.model.temperature,
    )
    choose_trained(built.model, config)
    stream = PairStream(
        opened.source,
        opened.scenes,
        config.data,
        built.image_size,
        built.tokenizer,
        batch=config.optimiser.batch_pairs,
        seed=config.seed,
        rank=fabric.global_rank,
        devices=fabric.world_size,
    )
    chance = chance_report([sample.captions for sample in val]).mean_recall
    identity = hashlib.sha256(f"{opened.source.identity} {[sample.name for sample in val]}".encode()).hexdigest()
    fingerprint = Fingerprint(
        config,
        fabric.world_size,
        f"{built.backbone.sha256} {start_hash}".strip(),
        identity,
        {"hardware": FREE["hardware"]},  # loader processes share the data: their number belongs to the run
    )
    facts: Json = {
        "title": _title(config, built.backbone.name, start, opened),
        "chance_mR": round(chance, 4),
        "data": {
            "folder": str(data),
            "layout": opened.layout,
            "pairs": opened.source.pairs,
            "val_images": len(val),
            "scenes": len(opened.scenes),
        },
        "backbone": {"name": built.backbone.name, "sha256": built.backbone.sha256},
        "start": None if start is None else {"file": str(start), "sha256": start_hash},
        "scene_prior": None
        if scene is None
        else {"scenes": len(scene.scenes), "width": scene.prior.hidden.out_features, "val_accuracy": scene.accuracy},
        "parameters": parameter_counts(built.model),
        "environment": environment(fabric.device, fabric.world_size),
    }
    whole = config.model.train_backbone or start is not None
    trainer = PriorClipTrainer(
        config, built, stream, (pixels, val), fingerprint, files, fabric, facts, progress, whole=whole
    )
    if resume:
        trainer.resume()
    trainer.note([*damaged, *unreadable])
    return complete(trainer, chance)


def _checked_start(start: Path, backbone: BuiltClip) -> str:
    """sha256 of the file, whose backbone has to be the settings'."""
    if not start.is_file():
        raise UsageError(f"There is no file {start}.", "Check --start.", file=str(start))
    record = read_prior(start)[0]
    if (record.architecture, record.backbone_sha256) != (backbone.backbone.architecture, backbone.backbone.sha256):
        raise ModelError(
            f"{start} stands on the backbone {record.backbone_name} ({record.architecture}), the settings name "
            f"{backbone.backbone.name} ({backbone.backbone.architecture}).",
            "Set model.architecture and model.weights (with random weights also seed) as in the earlier stage.",
            path=str(start),
        )
    return file_sha256(start)


def _scene(
    config: PriorConfig,
    data: Path,
    file: Path,
    backbone: BuiltClip,
    start: Path | None,
    fabric: Fabric,
    resume: bool,
    progress: ProgressSink,
) -> tuple[SceneReading | None, list[Damaged]]:
    """The scene prior of the run, in every process the same; a resumed run has the one that it had."""
    settings = config.prior
    if not settings.use:
        return None, []
    kept = settings.model_copy(update={"file": str(file)})
    if resume and file.is_file():
        return stored_scene(kept, None, backbone), []
    found = stored_scene(settings, start, backbone)
    damaged: list[Damaged] = []
    if fabric.is_global_zero:
        if found is None:
            device: torch.device = fabric.device
            found, damaged = learn_scene(settings, data, backbone, device, config.seed, progress)
        save_scene(file, found, backbone)
    fabric.barrier()
    return stored_scene(kept, None, backbone), damaged


def _title(config: PriorConfig, backbone: str, start: Path | None, opened: Opened) -> str:
    what = "PriorCLIP" if config.prior.use else "PriorCLIP, without instruction"
    given = backbone if config.model.weights else "random weights"
    return f"{what}, from {given if start is None else start.parent.name}, {opened.source.pairs} pairs"
