"""The file of parts that belong on the packaged model: small, since towers and heads are that model's own."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from engine.errors import ModelError
from engine.files import replace_file
from engine.models.compact.quantise import quantise
from engine.models.compact.quantised_file import UNREADABLE, read_quantised
from engine.models.compact.system import CompactSystem
from engine.models.compact.system_parts import SystemParts
from engine.types import Json

FORMAT = "mpsclip-compact-parts-1"
HEADS = ("image_head.weight", "image_head.bias", "text_head.weight", "text_head.bias", "log_scale")


def write_parts(file: Path, system: CompactSystem, base: str, training: Json) -> None:
    """Writes all of a system but its heads, quantised as the packaged model is.

    Args:
        file: replaced where it is there.
        system: with its parts.
        base: sha256 (hex) of the packaged weights that it was trained on.
        training: how, for people.

    Raises:
        OutputError: the file cannot be written.
    """
    state = {name: value.detach().cpu() for name, value in system.state_dict().items() if name not in HEADS}
    metadata = {
        "format": FORMAT,
        "parts": json.dumps(asdict(system.parts)),
        "base": base,
        "training": json.dumps(training, sort_keys=True),
    }
    stored = quantise(state)
    replace_file(file, lambda part: save_file(stored, part, metadata), "Choose another folder with --out.")


def read_parts(file: Path) -> tuple[SystemParts, str, dict[str, Tensor]]:
    """What :func:`write_parts` wrote: the parts, the sha256 of the packaged weights, and the state without the heads.

    Raises:
        ModelError: the file cannot be read, or is of another format.
    """
    try:
        remedy = "Give a file that 'mpsclip train parts' of this version wrote."
        metadata, state = read_quantised(file, FORMAT, remedy)
        parts = SystemParts(**json.loads(metadata["parts"]))
    except UNREADABLE as error:
        raise ModelError(f"{file} cannot be read as a model's parts: {error}.", "Install the project again.") from error
    return parts, metadata["base"], state
