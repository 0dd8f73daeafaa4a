"""From a training checkpoint to the weight file that ships."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from engine.models.compact.dual_encoder import CompactParts
from engine.models.compact.quantise import quantise
from engine.models.compact.text_tower import TextTowerConfig
from engine.models.packaged import FORMAT
from engine.train.packaged.checkpoint import parts_of


def export(checkpoint: Path, target: Path) -> Path:
    """Writes the quantised weights with vocabulary and sizes in the safetensors header; returns ``target``."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    config, text = saved["config"], TextTowerConfig(len(saved["vocabulary"]))
    architecture: dict[str, Any] = {"positions": text.positions, "embed_dim": config["embed_dim"]}
    parts = parts_of(config)
    if parts != CompactParts():
        architecture["parts"] = asdict(parts)
    metadata = {
        "format": FORMAT,
        "vocabulary": "\n".join(saved["vocabulary"]),
        "architecture": json.dumps(architecture),
        "training": json.dumps(saved["config"], sort_keys=True),
    }
    save_file(quantise(saved["model"]), target, metadata=metadata)
    return target
