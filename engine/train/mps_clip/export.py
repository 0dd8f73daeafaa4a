"""The best weights of a run as the file that a search loads."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save_file

from engine.files import replace_file
from engine.models.mps_clip.adapter_file import save_adapters
from engine.models.mps_clip.build import BuiltMpsClip
from engine.models.mps_clip.retrieval import WHOLE_FORMAT
from engine.train.mps_clip.config import TrainingConfig


def save_best(file: Path, built: BuiltMpsClip, config: TrainingConfig) -> None:
    """Adapters and heads with their backbone's identity; where the backbone was trained too, the whole network.

    Both are loaded by :func:`engine.models.mps_clip.retrieval.load_mps_clip`.
    """
    if not config.model.train_backbone:
        save_adapters(file, built)
        return
    tensors = {name: value.detach().cpu().contiguous() for name, value in built.model.released_state_dict().items()}
    architecture = config.model.architecture
    metadata = {
        "format": WHOLE_FORMAT,
        # JSON either way; a table's text is the name that the network was built under.
        "architecture": json.dumps(architecture, sort_keys=True),
        "adapter_heads": str(config.model.adapter_heads),
    }
    replace_file(file, lambda temporary: save_file(tensors, temporary, metadata))
