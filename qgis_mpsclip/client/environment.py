"""The environment variables that the engine gets: the user's, without those of QGIS's own Python, GDAL, PROJ and Qt.

QGIS sets them for itself, above all on Windows and macOS and in bundles; in the engine's process they would make it
load QGIS's packages or read another version's PROJ database.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePath

_PREFIXES = ("PYTHON", "PROJ_", "GDAL_", "QT_", "QML_", "QML2_", "QGIS_", "OSGEO4W_")
_NAMES = frozenset({"VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "__PYVENV_LAUNCHER__", "OGR_DRIVER_PATH"})
# Roots of the installation that QGIS runs from; search paths into them lead to its libraries.
_ROOTS = ("OSGEO4W_ROOT", "QGIS_PREFIX_PATH", "VIRTUAL_ENV", "APPDIR")
_SEARCH_PATHS = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH")
_SYSTEM_ROOTS = ("", "/", "/usr", "/usr/local")


def engine_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """``environ`` as the engine may see it; proxies, locale, home, CUDA and MPSCLIP_* stay as they are."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_PREFIXES) and name not in _NAMES}
    roots = [PurePath(environ[name]) for name in _ROOTS if environ.get(name, "").rstrip("/") not in _SYSTEM_ROOTS]
    for name in _SEARCH_PATHS:
        if name in kept:
            kept[name] = _without(kept[name], roots)
            if not kept[name]:
                del kept[name]
    return kept


def _without(search_path: str, roots: list[PurePath]) -> str:
    folders = search_path.split(os.pathsep)
    return os.pathsep.join(
        folder for folder in folders if not any(_is_within(PurePath(folder), root) for root in roots)
    )


def _is_within(folder: PurePath, root: PurePath) -> bool:
    return folder == root or root in folder.parents
