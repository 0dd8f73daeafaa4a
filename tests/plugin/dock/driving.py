"""The dock, driven by simulated keys, and what it shows."""

from __future__ import annotations

from qgis.core import (
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest

from qgis_mpsclip.dock import SearchDock

SEARCH_SECONDS = 600  # a busy machine; a search takes seconds


def finish(dock: SearchDock, seconds: float = SEARCH_SECONDS) -> None:
    """Runs Qt's events until the search has ended."""
    waited = 0
    while dock.controller.is_busy and waited < seconds * 1000:
        QTest.qWait(20)
        waited += 20
    assert not dock.controller.is_busy, f"the search has not ended within {seconds} s: {dock.progress.label.text()}"


def type_and_enter(dock: SearchDock, query: str) -> None:
    dock.query.edit.clear()
    QTest.keyClicks(dock.query.edit, query)
    QTest.keyClick(dock.query.edit, Qt.Key.Key_Return)


def search(dock: SearchDock, query: str = "storage tanks") -> list:
    """The hits of a search that must end well."""
    type_and_enter(dock, query)
    assert dock.controller.is_busy, messages(dock)
    finish(dock)
    assert dock.results.model.hits(), messages(dock)
    return dock.results.model.hits()


def messages(dock: SearchDock) -> str:
    return " | ".join(item.text() for item in dock._iface.messageBar().items())


def result_layers() -> list[QgsVectorLayer]:
    return [layer for layer in QgsProject.instance().mapLayers().values() if isinstance(layer, QgsVectorLayer)]


def hits_layer() -> QgsVectorLayer:
    return next(layer for layer in result_layers() if layer.source().endswith("|layername=hits"))
