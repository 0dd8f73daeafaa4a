"""The rasters of a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from qgis.core import QgsRasterLayer

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr


def layers_in(
    folder: str, pattern: str, recursive: bool, warn: Callable[[str], None], is_cancelled: Callable[[], bool]
) -> Iterator[QgsRasterLayer]:
    """Rasters whose file name fits ``pattern`` (several, separated by semicolons), in order of their paths.

    Files that are no rasters are left out, and ``warn`` is told.

    Raises:
        MpsClipError: there is no such folder, or no such file in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise MpsClipError(
            tr("The folder {folder} does not exist.").format(folder=folder), tr("Check its path and spelling.")
        )
    patterns = [part.strip().lower() for part in pattern.split(";") if part.strip()] or ["*"]
    found = sorted(root.rglob("*") if recursive else root.glob("*"))
    files = [file for file in found if file.is_file() and any(fnmatch(file.name.lower(), part) for part in patterns)]
    if not files:
        raise MpsClipError(
            tr("There is no file of the pattern {pattern} in {folder}.").format(pattern=pattern, folder=folder),
            tr("Choose another folder or pattern, or look into subfolders too."),
        )
    for file in files:
        if is_cancelled():
            return
        layer = QgsRasterLayer(str(file), file.name)
        if layer.isValid():
            yield layer
        else:
            warn(tr("{file} is left out: it cannot be read as a raster.").format(file=file))
