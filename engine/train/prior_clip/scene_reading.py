"""The scene prior of a run: taken from a file, or trained on the backbone's features before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.datasets.captioned_folder import CaptionedPicture, Damaged
from engine.datasets.rsicd import read_split
from engine.errors import UsageError
from engine.models.clip_backbone import BuiltClip
from engine.models.prior_clip.instruction_file import FORMAT, PREFIX, PriorRecord, SceneReading, read_prior, read_scene
from engine.models.prior_clip.instruction_network import observe
from engine.models.trained_file import require_backbone, save_trained
from engine.train.prior_clip.config import PriorSettings
from engine.train.prior_clip.pictures import load_pictures
from engine.train.prior_clip.scene_prior import scene_labels, scene_names, train_scene_prior
from engine.train.prior_clip.sources import listed
from engine.train.runs.pictures import standardise
from engine.types import Progress, ProgressSink, no_progress

PICTURES_AT_ONCE = 64


def stored_scene(settings: PriorSettings, start: Path | None, built: BuiltClip) -> SceneReading | None:
    """The scene prior of ``settings.file`` or, without one, of the stage that is gone on from; None: neither has one.

    Raises:
        UsageError: ``settings.file`` has none.
        ModelError: a file cannot be read, or its prior looks through another backbone.
    """
    if settings.file:
        path = Path(settings.file).expanduser()
        found = _read(path, built)
        if found is None:
            raise UsageError(f"{path} has no scene prior.", "Leave prior.file empty, or name another file.")
        return found
    return None if start is None else _read(start, built)


def learn_scene(
    settings: PriorSettings,
    data: Path,
    built: BuiltClip,
    device: torch.device,
    seed: int,
    progress: ProgressSink = no_progress,
) -> tuple[SceneReading, list[Damaged]]:
    """Trains a scene prior on the train split's scenes; the val split measures it.

    Args:
        settings: see there.
        data: folder where ``settings.scenes`` is empty; RSICD's layout.
        built: the backbone, nothing attached to it.
        device: where features are computed and the prior is trained.
        seed: of the run.
        progress: told of both.

    Returns:
        The prior on the CPU, and the pictures that could not be read.

    Raises:
        UsageError: the folder has not RSICD's layout, or names no scenes.
    """
    folder = Path(settings.scenes).expanduser() if settings.scenes else data
    if not (folder / "train.jsonl").is_file():
        raise UsageError(
            f"{folder} has no scenes to learn the prior from.",
            "Name a folder laid out like RSICD with prior.scenes, or a file that has a scene prior with prior.file; or "
            "train this stage without one (prior.use = false).",
            folder=str(folder),
        )
    train, val = (listed(read_split(folder, split)) for split in ("train", "val"))
    names = scene_names(sample.scene for sample in train)
    observer = built.clip.visual.to(device).eval()
    features, labels, damaged = _features(train, names, observer, built, device, progress)
    val_features, val_labels, more = _features(val, names, observer, built, device, progress)
    prior, accuracy = train_scene_prior(
        features,
        labels,
        val_features,
        val_labels,
        width=settings.width,
        scenes=len(names),
        seed=seed,
        progress=progress,
    )
    built.clip.visual.cpu()
    return SceneReading(prior.cpu(), tuple(names), round(100 * accuracy, 2)), damaged + more


def save_scene(path: Path, reading: SceneReading, built: BuiltClip) -> None:
    """Writes a scene prior alone; ``prior.file`` of another run may name the file.

    Raises:
        OutputError: the file cannot be written.
    """
    record = PriorRecord.of(built, reading, whole=False)
    save_trained(path, {f"scene.{name}": value for name, value in reading.prior.state_dict().items()}, FORMAT, record)


def _read(path: Path, built: BuiltClip) -> SceneReading | None:
    record, state = read_prior(path)
    require_backbone(record, built.backbone, path, PREFIX)
    return read_scene(record, state, path)


def _features(
    samples: Sequence[CaptionedPicture],
    names: Sequence[str],
    observer: nn.Module,
    built: BuiltClip,
    device: torch.device,
    progress: ProgressSink,
) -> tuple[Tensor, Tensor, list[Damaged]]:
    """Features ``(M, E)`` float32 and labels ``(M,)`` of all that can be read and have a scene."""
    known = [sample for sample in samples if sample.scene is not None]
    features, scenes, damaged = [], [], []
    for start in range(0, len(known), PICTURES_AT_ONCE):
        pixels, kept, bad = load_pictures(known[start : start + PICTURES_AT_ONCE], built.image_size)
        damaged += bad
        scenes += [sample.scene for sample in kept]
        if kept:
            features.append(observe(observer, standardise(pixels.to(device), built.mean, built.std)))
        progress(Progress("look at scenes", min(start + PICTURES_AT_ONCE, len(known)), len(known)))
    width = built.clip.visual.proj.shape[1]
    whole = torch.cat(features) if features else torch.zeros(0, width, device=device)
    return whole, scene_labels(scenes, names), damaged
