"""Folders in which engines were installed before another folder was chosen: nothing else would find them again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.installed import holds_anything, uninstall
from qgis_mpsclip.install.places import environments_folder
from qgis_mpsclip.settings import Settings


def remember(settings: Settings, folder: Path) -> None:
    """Notes that environments are made in this folder."""
    known = settings.install_folders
    if str(folder) not in known:
        settings.install_folders = [*known, str(folder)]


def remember_present(settings: Settings) -> None:
    """Notes the folder of the settings, where it holds anything."""
    with suppress(InstallError):  # a folder that cannot be used holds nothing
        folder = environments_folder(settings)
        if holds_anything(folder):
            remember(settings, folder)


def former_folders(settings: Settings) -> list[Path]:
    """Folders that still hold something of an installation and are not the one of the settings."""
    try:
        present = environments_folder(settings).resolve()
    except InstallError:
        present = None
    found = {folder.resolve(): folder for folder in map(Path, settings.install_folders) if holds_anything(folder)}
    return [folder for resolved, folder in found.items() if resolved != present]


def remove(folders: list[Path], is_cancelled: Callable[[], bool] | None = None) -> None:
    """Deletes what was installed in several folders.

    Raises:
        InstallError, InstallCancelled: as :func:`qgis_mpsclip.install.installed.uninstall` does; what comes later in
            the list is still there.
    """
    for folder in folders:
        uninstall(folder, is_cancelled)


def forget_removed(settings: Settings, folders: list[Path]) -> None:
    """Strikes off those of the folders in which nothing is left; others may lie on a disk that is not there now."""
    removed = {str(folder) for folder in folders if not holds_anything(folder)}
    settings.install_folders = [folder for folder in settings.install_folders if folder not in removed]
