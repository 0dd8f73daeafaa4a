"""From a training checkpoint to the weight file that ships."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from engine.models.compact.quantise import quantise
from engine.models.compact.text_tower import TextTowerConfig
from engine.models.packaged import FORMAT


def export(checkpoint: Path, target: Path) -> Path:
    """Writes the quantised weights with vocabulary and sizes in the safetensors header; returns ``target``."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    text = TextTowerConfig(len(saved["vocabulary"]))
    metadata = {
        "format": FORMAT,
        "vocabulary": "\n".join(saved["vocabulary"]),
        "architecture": json.dumps({"positions": text.positions, "embed_dim": saved["config"]["embed_dim"]}),
        "training": json.dumps(saved["config"], sort_keys=True),
    }
    save_file(quantise(saved["model"]), target, metadata=metadata)
    return target
