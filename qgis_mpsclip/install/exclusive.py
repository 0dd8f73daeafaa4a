"""One installation at a time, whichever QGIS it runs in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qgis.PyQt.QtCore import QLockFile

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallError

FILE = "install.lock"


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Holds the folder of environments for this process and thread; makes the folder where it is missing.

    The lock of a process that is gone does not count: Qt looks for the process that the file names.

    Raises:
        InstallError: of kind ``busy``: another installation or removal runs; of kind ``no-write-access``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _no_access(folder, error.strerror or str(error)) from error
    lock = QLockFile(str(folder / FILE))
    lock.setStaleLockTime(0)  # however long an installation takes, its lock is good while its process lives
    if not lock.tryLock(0):
        if lock.error() != QLockFile.LockError.LockFailedError:
            raise _no_access(folder, tr("permission denied"))
        known, process, host, _ = lock.getLockInfo()
        raise InstallError(
            tr("Another installation runs in {folder} (process {process} on {host}).").format(
                folder=folder, process=process if known else "?", host=host if known else "?"
            ),
            tr("Wait until it has ended, or cancel it there. If that process is long gone, delete {file}.").format(
                file=folder / FILE
            ),
            "busy",
        )
    try:
        yield
    finally:
        lock.unlock()


def _no_access(folder: Path, reason: str) -> InstallError:
    return InstallError(
        tr("{folder} cannot be written: {reason}.").format(folder=folder, reason=reason),
        tr("Choose a folder that you may write to under Settings ▸ Options ▸ MPS-CLIP."),
        "no-write-access",
    )
