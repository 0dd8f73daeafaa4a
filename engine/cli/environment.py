"""The engine's hold on the environment that it runs from, where the plugin made that environment.

The plugin deletes no environment whose lock file is held. Every process of the engine holds it from its start on, by
whatever path and with whatever kind of Python it was started, and the operating system lets go when the process ends.

Standard library alone: the doctor must speak where packages are broken.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

# Names that the plugin knows too: qgis_mpsclip/install/own.py and in_use.py.
MARKER = "mpsclip.json"
LOCK = "in_use.lock"
_PATIENCE = 1.0  # seconds, while somebody looks whether the lock is held
_held: list[int] = []


def hold_environment(prefix: Path = Path(sys.prefix)) -> bool:
    """Holds an environment until this process ends; several processes may.

    Returns:
        False where there is nothing to hold, or no lock to be had: the engine runs all the same.
    """
    if not (prefix / MARKER).is_file():
        return False
    try:
        descriptor = _opened(prefix / LOCK)
    except OSError:
        return False
    until = time.monotonic() + _PATIENCE
    while not _share(descriptor):
        if time.monotonic() > until:
            os.close(descriptor)
            return False
        time.sleep(0.02)
    _held.append(descriptor)
    return True


def _opened(file: Path) -> int:
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # an administrator's environment
        return os.open(file, os.O_RDONLY)


if sys.platform == "win32":
    import msvcrt

    def _share(descriptor: int) -> bool:
        """Locks one byte, which no other process has for its own; whoever looks tries to lock all of them."""
        try:
            os.lseek(descriptor, os.getpid() % 0x7FFFFFFF, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _share(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
