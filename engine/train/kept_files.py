"""Files that training keeps for the next call: whole or not there, and a full disk is told as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.files import replace_file

_REMEDY = "Make room there and call again, which goes on from what is done, or choose another folder with --out."


def write_tensors(file: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Replaces ``file`` when all of it is written.

    Raises:
        OutputError: it cannot be written.
    """
    replace_file(file, lambda part: save_file(dict(tensors), part, metadata=metadata), _REMEDY)


def read_tensors(file: Path, settings: str) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """Tensors and metadata of a file that :func:`write_tensors` wrote with these ``settings`` in its metadata.

    Returns:
        None where there is none, where it cannot be read, and where it was made with others.
    """
    try:
        with safe_open(file, "pt") as stored:
            metadata = stored.metadata() or {}
        return (load_file(file), metadata) if metadata.get("settings") == settings else None
    except (OSError, SafetensorError):
        return None


def kept_or_made(file: Path, settings: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors that an earlier call kept under the same ``settings``, else made and written.

    Raises:
        OutputError: they cannot be written.
    """
    found = read_tensors(file, settings)
    if found is not None:
        return found[0]
    made = make()
    write_tensors(file, made, {"settings": settings})
    return made


def write_text(file: Path, text: str) -> None:
    """The same for text."""
    replace_file(file, lambda part: part.write_text(text, encoding="utf-8"), _REMEDY)
