"""Which folders are the installation's own: those with its marker. Names alone say nothing of whose a folder is."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.in_use import remove_tree

MARKER = "mpsclip.json"
_OF_UV = {".gitignore", ".lock", ".temp"}  # what uv may make before anything is kept


def is_own(folder: Path) -> bool:
    """Whether an installation made this folder."""
    return (folder / MARKER).is_file()


def refuse_foreign(folder: Path) -> None:
    """Refuses a folder that somebody else keeps something in.

    Raises:
        InstallError: of kind ``folder``.
        OSError: it cannot be looked into.
    """
    if not folder.exists() or is_own(folder):
        return
    if not folder.is_dir() or any(path.name not in _OF_UV for path in folder.iterdir()):
        raise InstallError(
            tr("{folder} is in the way: the installation has not made it, and leaves it alone.").format(folder=folder),
            tr("Choose a new or empty folder for the engine, or move this away."),
            "folder",
        )


def claim(folder: Path) -> None:
    """Makes a folder that is the installation's own.

    Raises:
        InstallError: as :func:`refuse_foreign` does.
        OSError: it cannot be made.
    """
    refuse_foreign(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()


def remove_own(folder: Path) -> bool:
    """Deletes an own folder, its marker last, so that a later call deletes what could not be. False: something is left.

    A folder without the marker is left alone, which is True.
    """
    if not is_own(folder) or folder.is_symlink():
        return True
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
        elif path.name != MARKER:
            with contextlib.suppress(OSError):
                if not path.is_symlink():
                    path.chmod(stat.S_IRWXU)  # Windows deletes no read-only file
                path.unlink()
    return [path.name for path in folder.iterdir()] == [MARKER] and remove_tree(folder)
