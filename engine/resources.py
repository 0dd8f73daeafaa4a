"""Where the project's own files are: in a checkout, an installed wheel, or the plugin's zip.

===============  ======================================================  ==========================
layout           engine                                                  files
===============  ======================================================  ==========================
checkout         ``<root>/engine``                                       ``<root>/resources`` …
plugin zip       ``qgis_mpsclip/engine_src/engine``                      ``…/engine_src/resources`` …
installed wheel  ``site-packages/engine``                                ``engine/_data/resources`` …
===============  ======================================================  ==========================
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from engine.errors import EngineError

_PACKAGE = Path(__file__).resolve().parent
_VERSION = re.compile(r"^version=(\S+)$", re.MULTILINE)


def find_root(package: Path) -> Path:
    """The folder that holds ``metadata.txt`` and ``resources/`` for an engine package at ``package``.

    Raises:
        EngineError: where the installation lacks them.
    """
    for root in (package / "_data", package.parent):
        if (root / "metadata.txt").is_file() and (root / "resources").is_dir():
            return root
    raise EngineError(
        f"The installation at {package} is incomplete: metadata.txt or resources/ is missing.",
        "Install the project again.",
        path=str(package),
    )


@cache
def project_root() -> Path:
    """:func:`find_root` of the running engine."""
    return find_root(_PACKAGE)


def project_path(*parts: str) -> Path:
    """Path of a file of the project, such as ``project_path("metadata.txt")``; it need not exist."""
    return project_root().joinpath(*parts)


def resource_path(*parts: str) -> Path:
    """Path below ``resources/``, such as ``resource_path("models.json")``; it need not exist."""
    return project_path("resources", *parts)


def project_version() -> str:
    """The version in ``metadata.txt``."""
    match = _VERSION.search(project_path("metadata.txt").read_text(encoding="utf-8"))
    if match is None:
        raise EngineError("metadata.txt states no version.", "Install the project again.")
    return match.group(1)
