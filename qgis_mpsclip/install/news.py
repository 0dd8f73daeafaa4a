"""Tells all of one QGIS that the engine's environment has changed, whoever changed it and in which thread."""

from __future__ import annotations

from qgis.PyQt.QtCore import QObject, pyqtSignal

_made: list[News] = []


class News(QObject):
    """Signal ``environmentChanged()``: another environment is to be used."""

    environmentChanged = pyqtSignal()


def news() -> News:
    """The one of this process."""
    if not _made:
        _made.append(News())
    return _made[0]
