"""The part of the rasters to be searched: an extent, polygons, or what both have in common."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeatureRequest,
    QgsGeometry,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
)

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.processing import parameters as p
from qgis_mpsclip.rendering.area import Area


def area_of(
    algorithm: QgsProcessingAlgorithm,
    values: dict[str, Any],
    context: QgsProcessingContext,
    crs: QgsCoordinateReferenceSystem,
) -> Area | None:
    """Where to search, in the CRS of a raster; None: everywhere.

    An extent without a CRS of its own is in the raster's, as everywhere in Processing.

    Raises:
        MpsClipError: nothing is left.
    """
    extent = algorithm.parameterAsExtentGeometry(values, p.EXTENT, context, crs)
    source = algorithm.parameterAsSource(values, p.AREA, context)
    if source is None:
        area = extent
    else:
        polygons = _united(source, crs, context)
        area = polygons if extent.isNull() else polygons.intersection(extent)
        if area.isEmpty():
            raise MpsClipError(
                tr("The areas hold no polygon, or none within the extent."),
                tr("Choose another layer, other features of it, or another extent."),
            )
    if area.isNull():
        return None
    return Area(area, crs)


def area_params(area: Area | None) -> dict[str, Any] | None:
    """The engine's option ``area``.

    Raises:
        MpsClipError: its outlines have too many vertices.
    """
    return area.params() if area is not None else None


def _united(source: Any, crs: QgsCoordinateReferenceSystem, context: QgsProcessingContext) -> QgsGeometry:
    request = QgsFeatureRequest().setNoAttributes()
    if crs.isValid():
        request.setDestinationCrs(crs, context.transformContext())
    geometries = [feature.geometry() for feature in source.getFeatures(request) if feature.hasGeometry()]
    return QgsGeometry.unaryUnion(geometries)
