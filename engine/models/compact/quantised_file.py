"""Reading a safetensors file of quantised weights whose metadata name its format."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.errors import ModelError
from engine.models.compact.quantise import dequantise


def read_quantised(file: Path, file_format: str, remedy: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and float32 state dict of a file that :func:`engine.models.compact.quantise.quantise` stored.

    Args:
        file: safetensors.
        file_format: what the entry ``format`` of its metadata has to be.
        remedy: where it is another.

    Raises:
        ModelError: it is of another format.
        SafetensorError: it is no safetensors file.
        OSError: it cannot be read.
        KeyError: a scale is missing.
    """
    with safe_open(file, "pt") as stored:
        metadata = dict(stored.metadata() or {})
        if metadata.get("format") != file_format:
            found = metadata.get("format")
            raise ModelError(f"{file} has the format {found!r}, not {file_format!r}.", remedy, file=str(file))
        return metadata, dequantise({name: stored.get_tensor(name) for name in stored.keys()})  # noqa: SIM118


UNREADABLE = (SafetensorError, OSError, KeyError, TypeError, ValueError)
"""What reading and understanding such a file may raise; TypeError: the metadata name a part that is not known."""
