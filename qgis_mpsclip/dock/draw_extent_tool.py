"""The map tool that draws the rectangle to search in."""

from __future__ import annotations

from qgis.core import Qgis, QgsGeometry, QgsPointXY
from qgis.gui import QgsMapCanvas, QgsMapMouseEvent, QgsMapTool, QgsRubberBand
from qgis.PyQt.QtCore import QPoint, Qt, pyqtSignal
from qgis.PyQt.QtGui import QKeyEvent
from qgis.PyQt.QtWidgets import QApplication


class DrawExtentTool(QgsMapTool):
    """A rectangle by dragging, or by two clicks; Esc gives up.

    ``drawn`` carries it as a polygon in the map's CRS, upright on the screen even where the map is rotated.
    """

    drawn = pyqtSignal(QgsGeometry)
    givenUp = pyqtSignal()

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__(canvas)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self._start: QPoint | None = None
        self._band = extent_band(canvas)

    def canvasPressEvent(self, event: QgsMapMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            self._give_up()
        elif self._start is None:
            self._start = event.pos()
        else:
            self._end(event.pos())

    def canvasMoveEvent(self, event: QgsMapMouseEvent) -> None:
        if self._start is not None:
            self._band.setToGeometry(self._rectangle(event.pos()), None)

    def canvasReleaseEvent(self, event: QgsMapMouseEvent) -> None:
        if self._start is None:
            return
        moved = (event.pos() - self._start).manhattanLength()
        if moved >= QApplication.startDragDistance():  # else it was a click: the second one ends it
            self._end(event.pos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            event.accept()
            self._give_up()

    def deactivate(self) -> None:
        self._clear()
        super().deactivate()

    def _end(self, corner: QPoint) -> None:
        rectangle = self._rectangle(corner)
        self._clear()
        if rectangle.area() > 0:
            self.drawn.emit(rectangle)

    def _give_up(self) -> None:
        self._clear()
        self.givenUp.emit()

    def _clear(self) -> None:
        self._start = None
        self._band.reset(Qgis.GeometryType.Polygon)

    def _rectangle(self, corner: QPoint) -> QgsGeometry:
        start, end = self._start or corner, corner
        corners = [start, QPoint(end.x(), start.y()), end, QPoint(start.x(), end.y()), start]
        return QgsGeometry.fromPolygonXY([[QgsPointXY(self.toMapCoordinates(point)) for point in corners]])


def extent_band(canvas: QgsMapCanvas) -> QgsRubberBand:
    """An empty outline on the map, in the colour of QGIS's selection rectangles."""
    band = QgsRubberBand(canvas, Qgis.GeometryType.Polygon)
    colour = canvas.palette().highlight().color()
    band.setStrokeColor(colour)
    colour.setAlphaF(0.12)
    band.setFillColor(colour)
    band.setWidth(2)
    return band
