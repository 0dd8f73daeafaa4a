"""Default styles of the output layers: those that the engine fitted to the result."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from qgis.core import (
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
)
from qgis.PyQt.QtXml import QDomDocument

from qgis_mpsclip.processing.sinks import OutputLayer

# Python's part of a processor would be gone when the algorithm is, which is before layers are loaded.
_waiting: set[LayerStyler] = set()


class LayerStyler(QgsProcessingLayerPostProcessorInterface):
    """Gives a layer a style when it is loaded after the algorithm."""

    def __init__(self, qml: str) -> None:
        super().__init__()
        self._qml = qml
        _waiting.add(self)

    def postProcessLayer(
        self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Called by QGIS in the main thread."""
        document = QDomDocument()
        document.setContent(self._qml)
        _, message = layer.importNamedStyle(document)
        if message:
            feedback.pushWarning(message)
        layer.triggerRepaint()
        _waiting.discard(self)


def stored_style(geopackage: str, layer: str) -> str:
    """The QML that is stored for a layer; empty where there is none."""
    with closing(sqlite3.connect(geopackage)) as database:
        row = database.execute("SELECT styleQML FROM layer_styles WHERE f_table_name = ?", (layer,)).fetchone()
    return row[0] if row else ""


def style_when_loaded(context: QgsProcessingContext, output: OutputLayer, qml: str, query: str) -> None:
    """Styles an output if it is to be loaded, and puts the query into its name; a name given by a model stays."""
    if not context.willLoadLayerOnCompletion(output.destination):
        return
    details = context.layerToLoadOnCompletionDetails(output.destination)
    details.layerSortKey = output.layer.above
    if details.name == output.title:
        details.name = f"{output.title}: {query}"
    if qml:
        details.setPostProcessor(LayerStyler(qml))
