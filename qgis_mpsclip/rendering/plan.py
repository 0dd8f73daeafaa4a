"""What rendering a layer takes: which rectangle, how many pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsDistanceArea,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsUnitTypes,
)

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.rendering.area import Area

DEFAULT_RESOLUTION = 1.0
"""Metres a pixel, where nothing else is asked for: in the middle of what the packaged model knows."""


@dataclass(frozen=True)
class RenderPlan:
    """A layer, the rectangle of it to be rendered, in the layer's CRS, and its size in pixels."""

    layer: QgsRasterLayer
    extent: QgsRectangle
    columns: int
    rows: int

    @property
    def pixels(self) -> int:
        return self.columns * self.rows


def plan_rendering(layer: QgsRasterLayer, area: Area | None, resolution: float | None) -> RenderPlan:
    """The plan for a layer.

    Args:
        area: the part that is wanted; None: all of the layer.
        resolution: true metres a pixel at the centre, or units of the layer where its CRS is unknown; None: the layer's
            own pixels, or DEFAULT_RESOLUTION where it has none, or the finest that a tiled service offers beyond that.

    Raises:
        MpsClipError: the area lies beside the layer.
    """
    extent = layer.extent()
    if area is not None:
        extent = extent.intersect(_near(area, layer).within(layer.crs()).geometry.boundingBox())
    if extent.isEmpty() or not extent.isFinite():
        raise MpsClipError(
            tr("The extent lies outside the layer “{name}”.").format(name=layer.name()),
            tr("Move the map to the layer, or choose another extent."),
        )
    across, down = _metres_per_unit(layer.crs(), extent.center())
    if resolution is None and has_grid(layer):
        across, down, resolution = 1.0, 1.0, layer.dataProvider().extent().width() / layer.dataProvider().xSize()
    elif resolution is None:
        finest = min((step for step in layer.dataProvider().nativeResolutions() if step > 0), default=0.0)
        resolution = max(DEFAULT_RESOLUTION, finest * across)
    columns = max(1, math.ceil(extent.width() * across / resolution - 1e-6))
    rows = max(1, math.ceil(extent.height() * down / resolution - 1e-6))
    return RenderPlan(layer, extent, columns, rows)


def has_grid(layer: QgsRasterLayer) -> bool:
    """Whether the layer has pixels of its own, as files and databases have, and web maps have not."""
    provider = layer.dataProvider()
    sized = provider.capabilities() & Qgis.RasterInterfaceCapability.Size
    return bool(sized) and provider.xSize() > 0 and provider.extent().width() > 0


def ground_resolution(layer: QgsRasterLayer) -> float | None:
    """True metres of a pixel's side at the layer's centre, mean of both axes; None without a CRS or a grid."""
    if not layer.crs().isValid() or not has_grid(layer):
        return None
    across, down = _metres_per_unit(layer.crs(), layer.extent().center())
    return (layer.rasterUnitsPerPixelX() * across + layer.rasterUnitsPerPixelY() * down) / 2


def _near(area: Area, layer: QgsRasterLayer) -> Area:
    """The area, cut off where the layer ends: a view of the world has no place in most CRSs."""
    if not (area.crs.isValid() and layer.crs().isValid()):
        return area
    transform = QgsCoordinateTransform(layer.crs(), area.crs, QgsProject.instance().transformContext())
    try:
        frame = transform.transformBoundingBox(layer.extent())
    except QgsCsException:  # a layer of the world, in turn; the area is then the smaller one
        return area
    cut = area.geometry.intersection(QgsGeometry.fromRect(frame))
    return area if cut.isNull() or cut.isEmpty() else Area(cut, area.crs)


def _metres_per_unit(crs: QgsCoordinateReferenceSystem, centre: QgsPointXY) -> tuple[float, float]:
    """True metres of one unit of the CRS, eastwards and northwards; (1, 1) where it is unknown."""
    if not crs.isValid():
        return 1.0, 1.0
    measure = QgsDistanceArea()
    measure.setSourceCrs(crs, QgsProject.instance().transformContext())
    measure.setEllipsoid(crs.ellipsoidAcronym() or "EPSG:7030")
    step = 1e-4 if crs.mapUnits() == Qgis.DistanceUnit.Degrees else 10.0
    to_metres = QgsUnitTypes.fromUnitToUnitFactor(measure.lengthUnits(), Qgis.DistanceUnit.Meters)
    lengths = []
    for dx, dy in ((step, 0.0), (0.0, step)):
        ends = [
            QgsPointXY(centre.x() - dx / 2, centre.y() - dy / 2),
            QgsPointXY(centre.x() + dx / 2, centre.y() + dy / 2),
        ]
        length = measure.measureLine(ends) * to_metres / step
        lengths.append(length if math.isfinite(length) and length > 0 else 1.0)
    return lengths[0], lengths[1]
