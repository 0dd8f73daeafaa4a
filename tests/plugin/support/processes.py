"""What runs on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def command_lines() -> Iterator[str]:
    """Of each running process, its words separated by NUL."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield os.fsdecode(file.read_bytes())
        except OSError:  # it has ended meanwhile
            continue


def processes_naming(folder: Path) -> list[str]:
    """Command lines that name a folder."""
    return [command for command in command_lines() if str(folder) in command]
