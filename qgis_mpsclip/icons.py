"""The plugin's icons."""

from __future__ import annotations

from pathlib import Path

from qgis.PyQt.QtGui import QIcon

FOLDER = Path(__file__).resolve().parent / "icons"


def icon(name: str) -> QIcon:
    """The icon ``icons/<name>.svg``.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    file = FOLDER / f"{name}.svg"
    if not file.is_file():
        raise FileNotFoundError(str(file))
    return QIcon(str(file))
