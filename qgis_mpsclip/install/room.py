"""Whether a folder can take an environment: what the dialog says at once, before the job checks it again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.places import environments_folder, existing_parent
from qgis_mpsclip.install.plan import Choice, check_disk


@dataclass(frozen=True)
class _Chosen:
    """The folder that was typed, in place of that of the settings."""

    install_folder: str


def folder_named(text: str) -> Path:
    """The folder of environments that a person has typed; the default one where nothing was.

    Raises:
        InstallError: nothing may be installed there.
    """
    return environments_folder(_Chosen(text))


def folder_problem(folder: str, choice: Choice) -> str:
    """Why ``choice`` cannot be installed in this folder, and what helps; empty where it can."""
    try:
        check_disk(folder_named(folder), choice)
    except InstallError as error:
        # The error's remedy names the options, and here is the field itself.
        return f"{error.problem} {tr('Choose another folder.')}" if error.kind == "folder" else str(error)
    except OSError as error:
        return str(error)
    return ""


def free_bytes(folder: Path) -> int | None:
    """Free space where a folder is, or will be; None where that cannot be told."""
    try:
        return shutil.disk_usage(existing_parent(folder)).free
    except OSError:
        return None
