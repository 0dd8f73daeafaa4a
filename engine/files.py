"""Output: folders that are made, and files that are replaced as a whole, so that a kill never leaves half of one."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError

from engine.errors import OutputError


def make_folder(folder: Path) -> None:
    """Makes an output folder and those above it.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be made: {error.strerror}.", "Choose another folder with --out.", path=str(folder)
        ) from error


def replace_file(
    file: Path,
    write: Callable[[Path], object],
    remedy: str = "Free some space, or choose another folder with --out.",
) -> None:
    """Lets ``write`` make a file, and puts it in the place of ``file`` once it is whole and on the disk.

    Raises:
        OutputError: it cannot be written; what was begun is removed.
    """
    temporary = file.with_name(f"{file.stem}.{os.getpid()}.part{file.suffix}")
    try:
        write(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(file)
    except (OSError, RuntimeError, SafetensorError) as error:  # RuntimeError: torch.save's word for a full disk
        said = " ".join(str(error).split())
        raise OutputError(f"{file} cannot be written: {said}.", remedy, path=str(file)) from error
    finally:
        with suppress(OSError):  # it is gone, or cannot be removed: what went wrong before is what matters
            temporary.unlink()
