"""Where the GeoPackage of a new search goes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from qgis.core import QgsProject
from qgis.PyQt.QtCore import QStandardPaths

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.settings import Settings

LONGEST_NAME = 48
PROJECT_FOLDER = "mpsclip"
DOCUMENTS_FOLDER = "MPS-CLIP"

_promised: set[Path] = set()
"""Handed out in this session: several searches may wait before the first of their files is written."""


def results_path(settings: Settings, project: QgsProject, query: str) -> Path:
    """A new file for the results of a query: ``<words of the query>_<date>-<time>.gpkg``, and its folder made.

    The folder is that of the settings; else ``mpsclip`` beside the project; else (no project file, or a folder that
    cannot be written) ``MPS-CLIP`` below the user's documents. Neither an existing file nor one handed out before is
    handed out.

    Raises:
        MpsClipError: the folder of the settings, or every other one, cannot be written.
    """
    folder = _usable_folder(settings, project)
    # Local time, as it is what the user's clock shows and the file manager sorts by.
    stem = f"{file_words(query)}_{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    for name in _names(stem):
        path = folder / name
        if path not in _promised and not path.exists():
            _promised.add(path)
            return path
    raise AssertionError("names never end")


def _names(stem: str) -> Iterator[str]:
    yield f"{stem}.gpkg"
    number = 2
    while True:
        yield f"{stem}_{number}.gpkg"
        number += 1


def file_words(query: str) -> str:
    """The query as a file name that every file system takes; letters of all alphabets stay."""
    words = re.sub(r"[^\w]+", "-", query.strip().lower()).strip("-_")
    return words[:LONGEST_NAME].rstrip("-_") or "search"


def _usable_folder(settings: Settings, project: QgsProject) -> Path:
    chosen = str(settings.results_folder).strip()
    candidates = [Path(chosen).expanduser()] if chosen else _default_folders(project)
    problem = ""
    for folder in candidates:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError as error:
            problem = problem or tr("Results cannot be written to {folder}: {error}.").format(
                folder=folder, error=error.strerror or error
            )
    raise MpsClipError(problem, tr("Choose another results folder in the options of MPS-CLIP."))


def _default_folders(project: QgsProject) -> list[Path]:
    beside = [Path(project.absolutePath()) / PROJECT_FOLDER] if project.absolutePath() else []
    documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
    return [*beside, Path(documents or Path.home()) / DOCUMENTS_FOLDER]
