"""Programs of this machine by their whole path; never those of the current folder.

Windows looks there first, and a project's folder may have come from anybody.
"""

from __future__ import annotations

import ntpath
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path


def find_program(file_name: str, further: Iterable[str] = (), environ: Mapping[str, str] = os.environ) -> Path | None:
    """A program in the folders of PATH, then in further ones; entries that are not whole paths are passed over.

    Args:
        file_name: with ``.exe`` on Windows.
    """
    for folder in [*environ.get("PATH", "").split(os.pathsep), *further]:
        # Given a path, which() looks at that file alone.
        if os.path.isabs(folder) and (found := shutil.which(os.path.join(folder, file_name))):  # noqa: PTH117, PTH118
            return Path(found)
    return None


def program_of_windows(file_name: str, environ: Mapping[str, str] = os.environ) -> str:
    """The whole path of a program in Windows' own folder, whether it is there or not."""
    root = environ.get("SYSTEMROOT", "")
    return ntpath.join(root if ntpath.isabs(root) else "C:\\Windows", "System32", file_name)
