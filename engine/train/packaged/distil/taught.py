"""What the teachers say of all views and texts: computed once, and kept in a file for each teacher."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor

from engine.evaluate.rsicd import QUARTER_TURNS
from engine.train.kept_files import kept_or_made
from engine.train.packaged.data import TrainingData
from engine.train.packaged.distil.config import DistilConfig
from engine.train.packaged.distil.teachers import Teacher, as_one
from engine.train.packaged.distil.views import SYMMETRIES, FixedViews
from engine.types import Progress, ProgressSink

TEACHER_BATCH = 64
TARGETS_FILE = "targets-{}.safetensors"
LOOKED_AT = {"seed", "teacher_size", "crops", "mixtures", "smallest_crop", "turns"}  # settings of what teachers see


def taught(
    teachers: Sequence[Path],
    digests: list[str],
    data: TrainingData,
    views: FixedViews,
    texts: list[str],
    config: DistilConfig,
    fabric: Fabric,
    folder: Path,
    random: torch.Generator,
    progress: ProgressSink,
) -> dict[str, Tensor]:
    """The teachers' embeddings of all views, ``images`` ``(N, V, M·E)``, and of the ``texts`` ``(T, M·E)``.

    Raises:
        OutputError: a file cannot be written into ``folder``.
        UsageError: a checkpoint cannot be used.
    """
    turns: list[Sequence[int]] = [QUARTER_TURNS]
    turns += [torch.randperm(SYMMETRIES, generator=random)[: config.turns].tolist() for _ in range(len(views) - 1)]
    looked_at = config.model_dump_json(include=LOOKED_AT)
    found = []
    for number, (file, digest) in enumerate(zip(teachers, digests, strict=True), 1):
        made_of = json.dumps([looked_at, digest, len(data.train), texts])
        name = f"{number} of {len(teachers)}"
        make = partial(_embeddings, file, fabric, name, data, views, texts, turns, config, progress)
        kept = folder / TARGETS_FILE.format(number)
        found.append(kept_or_made(kept, hashlib.sha256(made_of.encode()).hexdigest(), make))
    return {name: as_one([embedded[name].float() for embedded in found]) for name in ("images", "texts")}


def _embeddings(
    file: Path,
    fabric: Fabric,
    name: str,
    data: TrainingData,
    views: FixedViews,
    texts: list[str],
    turns: list[Sequence[int]],
    config: DistilConfig,
    progress: ProgressSink,
) -> dict[str, Tensor]:
    """One teacher's, float16."""
    teacher = Teacher(file, fabric.device)
    count = len(data.train)
    parts = []
    for start in range(0, count, TEACHER_BATCH):
        rows = range(start, min(count, start + TEACHER_BATCH))
        seen = []
        for view in range(len(views)):
            pictures = torch.stack([views.render(row, view, config.teacher_size) for row in rows])
            seen.append(teacher.images(pictures, turns[view]))
        parts.append(torch.stack(seen, 1).half())
        progress(Progress("teachers", rows.stop, count, name))
    return {"images": torch.cat(parts), "texts": teacher.texts(texts).half()}
