"""The engine's log: what it writes to stderr, one file for each start, the newest few kept."""

from __future__ import annotations

import contextlib
import itertools
import os
from datetime import datetime
from pathlib import Path

from qgis.core import QgsApplication

LOG_TAG = "MPS-CLIP"  # of the panel of QGIS that shows messages
KEPT = 10
_TAIL_BYTES = 8192
_starts = itertools.count(1)


def log_folder() -> Path:
    """``mpsclip/log`` in the user's QGIS profile."""
    return Path(QgsApplication.qgisSettingsDirPath()) / "mpsclip" / "log"


def new_log_file() -> Path | None:
    """A new empty file; older ones beyond the newest few are deleted. None where none can be written.

    Without an application of QGIS there is no profile, and so no log.
    """
    if not QgsApplication.qgisSettingsDirPath():
        return None
    started = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    file = log_folder() / f"engine-{started}-{os.getpid()}-{next(_starts)}.log"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    except OSError:
        return None  # searching matters more than its log
    files = sorted(file.parent.glob("engine-*.log"), key=lambda path: (_modified(path), path.name))
    for old in files[:-KEPT]:
        with contextlib.suppress(OSError):  # another QGIS may have it open, or have deleted it
            old.unlink()
    return file


def last_lines(file: Path | None, count: int = 8) -> str:
    """The last lines of a log that are not empty."""
    if file is None:
        return ""
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - _TAIL_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join([line.rstrip() for line in text.splitlines() if line.strip()][-count:])


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
