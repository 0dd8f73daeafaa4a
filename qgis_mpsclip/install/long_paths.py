"""Windows' limit of 260 letters for a path, which programs may pass only where an administrator has allowed it."""

from __future__ import annotations

import ntpath
import os
import sys
from pathlib import Path

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallError

_LIMIT = 259  # and a zero at the end
# Below the folder of environments: PyTorch's licences go 126 letters deep in site-packages, which uv unpacks within
# "cache\\archive-v0\\" and a name of 21 letters; six to spare.
_DEEPEST = 171
_RAW = "\\\\?\\"


def long_form(path: str | Path, platform: str = sys.platform) -> str:
    """The form of an absolute path that Windows takes at any length; elsewhere the path itself."""
    text = os.fspath(path)
    if platform != "win32" or text.startswith(_RAW):
        return text
    text = ntpath.normpath(text)
    return f"{_RAW}UNC\\{text[2:]}" if text.startswith("\\\\") else f"{_RAW}{text}"


def refuse_long(folder: Path, platform: str = sys.platform, is_allowed: bool | None = None) -> None:
    """Refuses a folder in which the packages' deepest files would be out of reach.

    Args:
        is_allowed: longer paths are; None: Windows is asked.

    Raises:
        InstallError: of kind ``path-too-long``.
    """
    most = _LIMIT - 1 - _DEEPEST
    if platform != "win32" or len(os.fspath(folder)) <= most:
        return
    if _long_paths_are_allowed() if is_allowed is None else is_allowed:
        return
    raise InstallError(
        tr(
            "The path {folder} is too long: with more than {count} letters, files of the packages cannot be opened."
        ).format(folder=folder, count=most),
        tr("Choose a shorter one, such as C:\\mpsclip, or have an administrator set LongPathsEnabled."),
        "path-too-long",
    )


def _long_paths_are_allowed() -> bool:
    try:
        import winreg

        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, "SYSTEM\\CurrentControlSet\\Control\\FileSystem") as key:
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    except (ImportError, OSError):  # not set
        return False
