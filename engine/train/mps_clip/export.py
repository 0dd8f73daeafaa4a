"""The best weights of a run as the file that a search loads."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save_file

from engine.models.mps_clip.adapter_file import save_adapters
from engine.models.mps_clip.build import BuiltMpsClip
from engine.train.mps_clip.checkpoint import replace_file
from engine.train.mps_clip.config import TrainingConfig

WHOLE_FORMAT = "mpsclip-whole-1"


def save_best(file: Path, built: BuiltMpsClip, config: TrainingConfig) -> None:
    """Adapters and heads with their backbone's identity; where the backbone was trained too, the whole network.

    The whole network bears the names of released checkpoints, and is read as one (QuickGELU, heads 64 wide).
    """
    if not config.model.train_backbone:
        save_adapters(file, built)
        return
    tensors = {name: value.detach().cpu().contiguous() for name, value in built.model.released_state_dict().items()}
    metadata = {"format": WHOLE_FORMAT, "architecture": json.dumps(config.model.architecture)}
    replace_file(file, lambda temporary: save_file(tensors, temporary, metadata))
