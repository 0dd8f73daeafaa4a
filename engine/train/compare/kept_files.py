"""Files of a comparison: whole or not there, and a full disk is told as one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from engine.files import replace_file

_REMEDY = "Make room there and call again, which goes on from what is done, or choose another folder with --out."


def write_tensors(file: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Replaces ``file`` when all of it is written.

    Raises:
        OutputError: it cannot be written.
    """
    replace_file(file, lambda part: save_file(dict(tensors), part, metadata=metadata), _REMEDY)


def write_text(file: Path, text: str) -> None:
    """The same for text."""
    replace_file(file, lambda part: part.write_text(text, encoding="utf-8"), _REMEDY)
