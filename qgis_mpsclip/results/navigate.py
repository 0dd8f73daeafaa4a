"""The way from a hit to the map."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.core import QgsCoordinateReferenceSystem, QgsCoordinateTransform, QgsCsException, QgsProject, QgsRectangle
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtGui import QColor

from qgis_mpsclip.results.hits import Hit

SMALLEST_SHARE = 0.08  # of the canvas's shorter side: a smaller tile is hard to see
LARGEST_SHARE = 0.9
SHARE_ON_ARRIVAL = 0.4
ZOOM_MARGIN = 1.15
FLASH = QColor(255, 196, 0)
GEOGRAPHIC = "EPSG:4326"


def show_on_canvas(canvas: QgsMapCanvas, hit: Hit, crs: QgsCoordinateReferenceSystem) -> None:
    """Brings a tile to the middle of the map and flashes it; the scale changes only where the tile would be too small
    or too large to be seen."""
    box = _bounds(hit, crs, canvas.mapSettings().destinationCrs())
    if box is None:
        return
    view = canvas.extent()
    share = max(box.width() / view.width(), box.height() / view.height()) if not view.isEmpty() else 0.0
    if SMALLEST_SHARE <= share <= LARGEST_SHARE:
        canvas.setCenter(box.center())
    else:
        canvas.setExtent(box.buffered(0.5 * max(box.width(), box.height()) * (1 / SHARE_ON_ARRIVAL - 1)))
    canvas.refresh()
    flash(canvas, [hit], crs)


def zoom_to(canvas: QgsMapCanvas, hits: Sequence[Hit], crs: QgsCoordinateReferenceSystem) -> None:
    """Fills the map with tiles and flashes them."""
    boxes = [box for hit in hits if (box := _bounds(hit, crs, canvas.mapSettings().destinationCrs())) is not None]
    if not boxes:
        return
    extent = QgsRectangle(boxes[0])
    for box in boxes[1:]:
        extent.combineExtentWith(box)
    extent.scale(ZOOM_MARGIN)
    canvas.setExtent(extent)
    canvas.refresh()
    flash(canvas, hits, crs)


def flash(canvas: QgsMapCanvas, hits: Sequence[Hit], crs: QgsCoordinateReferenceSystem) -> None:
    """Draws attention to tiles for a second."""
    clear = QColor(FLASH)
    clear.setAlpha(0)
    canvas.flashGeometries([hit.geometry for hit in hits], crs, FLASH, clear)


def coordinates(hits: Sequence[Hit], crs: QgsCoordinateReferenceSystem, target: QgsCoordinateReferenceSystem) -> str:
    """The tiles' centres, a line each: "x, y" in ``target``, or "latitude, longitude" where that is geographic."""
    lines = []
    for hit in hits:
        point = hit.geometry.centroid().asPoint()
        if crs.isValid() and target.isValid():
            try:
                point = QgsCoordinateTransform(crs, target, QgsProject.instance()).transform(point)
            except QgsCsException:
                continue
        if target.isValid() and target.isGeographic():
            lines.append(f"{point.y():.7f}, {point.x():.7f}")
        else:
            lines.append(f"{point.x():.3f}, {point.y():.3f}")
    return "\n".join(lines)


def _bounds(hit: Hit, crs: QgsCoordinateReferenceSystem, target: QgsCoordinateReferenceSystem) -> QgsRectangle | None:
    """None where the tile lies outside of what ``target`` can show."""
    box = hit.geometry.boundingBox()
    if not crs.isValid() or not target.isValid() or crs == target:
        return box
    try:
        return QgsCoordinateTransform(crs, target, QgsProject.instance()).transformBoundingBox(box)
    except QgsCsException:
        return None
