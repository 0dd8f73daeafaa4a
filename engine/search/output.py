"""Result files: checked before any work, written beside their place, then moved into it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.errors import OutputError


def check_output(path: Path, overwrite: bool, suffixes: Sequence[str]) -> None:
    """Whether a result can be written to ``path`` later.

    Raises:
        OutputError: it exists already, has another suffix, or its folder is missing or cannot be written.
    """
    if path.suffix.lower() not in suffixes:
        raise OutputError(f"{path} does not end in {' or '.join(suffixes)}.", "Choose another name.", path=str(path))
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", "Name a file in it.", path=str(path))
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} exists already.",
            "Choose another name, or allow overwriting (--overwrite on the command line).",
            path=str(path),
        )
    if not path.parent.is_dir():
        raise OutputError(
            f"The folder {path.parent} does not exist.", "Make it first, or choose another.", path=str(path)
        )
    with writing_errors(path), tempfile.TemporaryFile(dir=path.parent):
        pass


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path in the same folder to write to; what is there at the end takes the place of ``path`` at once.

    After an error nothing of it is left, and ``path`` is as it was.

    Raises:
        OutputError: the folder cannot be written.
    """
    with writing_errors(path):
        folder = tempfile.TemporaryDirectory(prefix=_prefix(path, os.getpid()), dir=path.parent)
    with folder as name:
        temporary = Path(name) / path.name
        with writing_errors(path):
            yield temporary
            temporary.replace(path)


def remove_leftovers(path: Path, pid: int) -> None:
    """Deletes what a process that was killed while it was :func:`replacing` ``path`` has left beside it.

    Args:
        pid: of that process, which has ended.
    """
    prefix = _prefix(path, pid)
    with suppress(OSError):  # the folder is gone too
        for entry in [entry for entry in path.parent.iterdir() if entry.name.startswith(prefix) and entry.is_dir()]:
            shutil.rmtree(entry, ignore_errors=True)


def _prefix(path: Path, pid: int) -> str:
    return f".{path.stem}-{pid}-"


@contextmanager
def writing_errors(path: Path) -> Iterator[None]:
    """Turns errors of the file system into an :class:`OutputError` that names ``path``."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Check free space and permissions, and close programs that have the file open.",
            path=str(path),
        ) from error
