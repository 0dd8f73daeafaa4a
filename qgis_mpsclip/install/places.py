"""Where the engine is installed, and where not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QStandardPaths

from qgis_mpsclip.client import log_files
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.settings import Settings

PACKAGE = Path(__file__).resolve().parent.parent


def default_folder() -> Path:
    """``mpsclip/engines`` in the user's local data folder, which all QGIS profiles share and no roaming copies."""
    data = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)
    return Path(data) / "mpsclip" / "engines"


def environments_folder(settings: Settings | None = None, package: Path = PACKAGE) -> Path:
    """The folder that holds the engine's environments, absolute; it need not exist yet.

    Args:
        package: the plugin's own folder, links followed.

    Raises:
        InstallError: the setting names a folder that QGIS or a plugin update would empty, or a relative path.
    """
    chosen = (settings or Settings()).install_folder.strip()
    folder = Path(os.path.expanduser(chosen)) if chosen else default_folder()  # noqa: PTH111 - "~who" may not exist
    if not folder.is_absolute():
        raise InstallError(
            tr("The engine's folder {folder} is not an absolute path.").format(folder=folder),
            tr("Choose the whole path of a folder under Settings ▸ Options ▸ MPS-CLIP."),
            "folder",
        )
    refuse_taken(folder, package)
    return folder


def log_folder() -> Path:
    """Where the logs of installations go: with the engine's own, outside of what an uninstallation removes."""
    return log_files.log_folder()


def existing_parent(folder: Path) -> Path:
    """``folder``, or the nearest folder above it that exists."""
    return next((one for one in (folder, *folder.parents) if one.is_dir()), Path(folder.anchor))


def refuse_taken(folder: Path, package: Path = PACKAGE) -> None:
    """Refuses a folder that is not the user's alone.

    Raises:
        InstallError: of kind ``folder``: it lies in the plugin's folder, among the QGIS profiles or within QGIS.
    """
    profile = QgsApplication.qgisSettingsDirPath()
    taken = [
        (package, tr("the plugin's own folder, which an update of the plugin deletes")),
        (_profiles(Path(profile).resolve()) if profile else None, tr("a QGIS profile, or the folder of all of them")),
        (_bundle(), tr("the folder of QGIS itself, which an update of QGIS deletes")),
    ]
    resolved = folder.resolve()
    for place, words in taken:
        if place is not None and (place == resolved or place in resolved.parents):
            raise InstallError(
                tr("The engine cannot be installed in {folder}: this is {place}.").format(folder=folder, place=words),
                tr("Choose another folder under Settings ▸ Options ▸ MPS-CLIP, or leave it empty."),
                "folder",
            )


def _profiles(profile: Path) -> Path:
    """The folder of all QGIS profiles; the profile itself where it lies among other things."""
    return profile.parent if profile.parent.name == "profiles" else profile


def _bundle() -> Path | None:
    """The folder of QGIS where it has one for itself, as on Windows and macOS; not ``/usr``."""
    return _whole(Path(QgsApplication.prefixPath() or "/").resolve(), sys.platform)


def _whole(prefix: Path, platform: str) -> Path | None:
    if os.fspath(prefix) in ("/", "/usr", "/usr/local"):
        return None
    # QGIS.app/Contents/MacOS, and QGIS 3.40/apps/qgis-ltr on Windows; elsewhere "apps" may be anybody's.
    is_windows = platform == "win32"
    whole = (one for one in prefix.parents if one.suffix == ".app" or (is_windows and (one / "apps") in prefix.parents))
    return next(whole, prefix)
