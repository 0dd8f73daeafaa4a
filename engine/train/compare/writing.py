"""Files of a comparison: whole or not there, and a full disk is told as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from engine.errors import OutputError


def write_tensors(file: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Replaces ``file`` when all of it is written.

    Raises:
        OutputError: it cannot be written.
    """
    _replace(file, lambda part: save_file(dict(tensors), part, metadata=metadata))


def write_text(file: Path, text: str) -> None:
    """The same for text."""
    _replace(file, lambda part: part.write_text(text, encoding="utf-8"))


def _replace(file: Path, write: Callable[[Path], object]) -> None:
    part = file.with_name(f"{file.name}.part")
    try:
        write(part)
        part.replace(file)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            part.unlink()  # on a full disk it only takes room
        raise OutputError(
            f"{file} cannot be written: {error}.",
            "Make room there and call again, which goes on from what is done, or choose another folder with --out.",
            file=str(file),
        ) from error
