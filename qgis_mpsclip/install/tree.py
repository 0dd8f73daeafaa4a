"""The size of a folder."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from qgis_mpsclip.install.long_paths import long_form


def tree_bytes(folder: Path) -> int:
    """Size of all files in a folder, in bytes; links are not followed. Takes a second or two for an environment."""
    total = 0
    for where, _, names in os.walk(long_form(folder)):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(where, name)).st_size  # noqa: PTH118 - many thousand files
    return total
