"""Translation of everything a user reads."""

from __future__ import annotations

from qgis.PyQt.QtCore import QCoreApplication

CONTEXT = "mpsclip"


def tr(text: str) -> str:
    """``text`` in the user's language; values are put in afterwards: ``tr("{count} hits").format(count=3)``."""
    return QCoreApplication.translate(CONTEXT, text)
