"""Checkpoints of the packaged model's training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from engine.errors import UsageError
from engine.models.compact.dual_encoder import CompactParts, DualEncoder


def save_checkpoint(file: Path, model: DualEncoder, vocabulary: list[str], settings: dict[str, Any]) -> None:
    """Writes the weights, the word pieces that go with them, and the settings that they were trained with."""
    state = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    torch.save({"model": state, "vocabulary": vocabulary, "config": settings}, file)


def read_checkpoint(file: Path) -> dict[str, Any]:
    """What :func:`save_checkpoint` wrote.

    Raises:
        UsageError: it is nothing of that kind.
    """
    try:
        saved = torch.load(file, map_location="cpu", weights_only=True)
        if not {"model", "vocabulary", "config"} <= set(saved):
            raise KeyError("model, vocabulary or config")
    except Exception as error:  # torch raises whatever the bytes lead to
        raise UsageError(
            f"{file} is no checkpoint of the packaged model: {error}",
            "Name best.pt of a run of 'mpsclip train packaged'.",
        ) from error
    return dict(saved)


def parts_of(settings: Mapping[str, Any]) -> CompactParts:
    """The parts that a checkpoint's settings name; those of earlier versions do not name them: they have none."""
    return CompactParts(**{part.name: settings[part.name] for part in fields(CompactParts) if part.name in settings})
