"""The size of folders."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from qgis_mpsclip.install.long_paths import long_form


def tree_bytes(*folders: Path) -> int:
    """Size of all files in folders, in bytes; a file with several links, which are not followed, counts once.

    Takes a second or two for an environment.
    """
    total = 0
    linked: set[tuple[int, int]] = set()
    for where, _, names in (step for folder in folders for step in os.walk(long_form(folder))):
        for name in names:
            with contextlib.suppress(OSError):
                found = os.lstat(os.path.join(where, name))  # noqa: PTH118 - many thousand files
                file = (found.st_dev, found.st_ino)
                if found.st_nlink < 2 or file not in linked:
                    total += found.st_size
                    linked.add(file)
    return total
