"""The network that a student starts from: its first teacher, or means of its teachers' weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from engine.errors import UsageError
from engine.models.compact.dual_encoder import DualEncoder
from engine.models.compact.image_tower import ImageTower
from engine.models.compact.text_tower import TextTower
from engine.train.packaged.average import set_to_mean
from engine.train.packaged.base_weights import efficientnet
from engine.train.packaged.checkpoint import read_checkpoint
from engine.train.packaged.distil.config import DistilConfig
from engine.train.packaged.distil.teachers import network


def starting_student(teachers: Sequence[Path], config: DistilConfig, vocabulary: list[str]) -> DualEncoder:
    """A network without hub terms, whose text tower reads the pieces of ``vocabulary``.

    An image tower of another size than the first teacher's has its ImageNet weights.

    Raises:
        UsageError: a checkpoint cannot be used, or a mean is asked for that no or not every teacher can be part of.
    """
    read = [(teacher, read_checkpoint(teacher)) for teacher in teachers]
    networks = [network(saved) for _, saved in read]
    student = networks[0]
    student.image_hubs, student.text_hubs = nn.Identity(), nn.Identity()
    size = config.image_tower or student.parts.image_tower
    alike = [each.image_tower for each in networks if each.parts.image_tower == size]
    if size != student.parts.image_tower:
        student.image_tower = ImageTower(size)
        student.image_tower.load_state_dict(efficientnet(size))
    if config.image_start == "mean":
        if not alike:
            raise UsageError(f"No teacher has the image tower {size}.", 'Set "image_start" to "first".')
        set_to_mean(student.image_tower, alike)
    readers = len(read) if config.text_tower == "mean" else 1
    towers = [
        _text_tower(each.text_tower, saved["vocabulary"], vocabulary, file)
        for each, (file, saved) in zip(networks[:readers], read[:readers], strict=True)
    ]
    student.text_tower = towers[0]
    set_to_mean(student.text_tower, towers)
    student.parts = replace(student.parts, image_tower=size, hub_centres=0)
    return student


def _text_tower(whole: TextTower, pieces: list[str], vocabulary: list[str], file: Path) -> TextTower:
    """A checkpoint's text tower, which reads ``pieces``, with the rows of those of ``vocabulary``."""
    place = {piece: row for row, piece in enumerate(pieces)}
    if not place.keys() >= set(vocabulary):
        raise UsageError(
            f"{file} does not have all word pieces that the student is to read.",
            'Train all teachers with the same "vocabulary", and give the student no larger one.',
        )
    words = whole.words.weight[torch.tensor([place[piece] for piece in vocabulary])]
    tower = TextTower(replace(whole.config, vocabulary=len(vocabulary)))
    tower.load_state_dict(whole.state_dict() | {"words.weight": words})
    return tower
