"""Whether a folder can take an environment: what the dialog says at once, before the job checks it again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.installed import refuse_others
from qgis_mpsclip.install.long_paths import refuse_long
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


def folder_problem(folder: str) -> str:
    """Why nothing can be installed in this folder, and what helps; empty where something can."""
    try:
        refuse_others(folder_named(folder))
        refuse_long(folder_named(folder))
    except InstallError as error:
        if error.kind == "path-too-long":
            return str(error)
        # The error's remedy names the options, and here is the field itself.
        return f"{error.problem} {tr('Choose another folder.')}"
    except OSError as error:
        return str(error)
    return ""


def room_warning(folder: str, choice: Choice) -> str:
    """Why there may not be room for ``choice``, and what helps; empty where there is.

    Only a warning: the job knows what an earlier beginning has already fetched, and may find that enough.
    """
    try:
        check_disk(folder_named(folder), choice)
    except (InstallError, OSError) as error:
        return str(error)
    return ""


def free_bytes(folder: Path) -> int | None:
    """Free space where a folder is, or will be; None where that cannot be told."""
    try:
        return shutil.disk_usage(existing_parent(folder)).free
    except OSError:
        return None
