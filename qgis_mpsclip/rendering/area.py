"""A part of the ground, with the CRS it is measured in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsGeometry,
    QgsProject,
)

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr

MOST_LETTERS = 8_000_000  # of WKT, well below what one request to the engine may hold
_SEGMENTS = 32  # a straight edge is curved in another CRS


@dataclass(frozen=True)
class Area:
    """Polygons to search in.

    Attributes:
        geometry: one polygon or several, in units of ``crs``.
        crs: invalid where it is that of the raster.
    """

    geometry: QgsGeometry
    crs: QgsCoordinateReferenceSystem

    def params(self) -> dict[str, Any]:
        """The option ``area`` of a request.

        Raises:
            MpsClipError: its outlines have too many vertices.
        """
        # What every reader of WKT knows: straight edges, x and y.
        flat = QgsGeometry(self.geometry.constGet().segmentize())
        flat.get().dropZValue()
        flat.get().dropMValue()
        wkt = flat.asWkt(9)
        if len(wkt) > MOST_LETTERS:
            raise MpsClipError(
                tr("The outlines of the areas are too detailed."), tr("Simplify them first (algorithm “Simplify”).")
            )
        return {"wkt": wkt, "crs": crs_name(self.crs)}

    def within(self, crs: QgsCoordinateReferenceSystem) -> Area:
        """The same polygons in another CRS; as they are where either CRS is unknown.

        Raises:
            MpsClipError: they lie where the other CRS does not reach.
        """
        geometry = QgsGeometry(self.geometry)
        if not (self.crs.isValid() and crs.isValid()) or self.crs == crs:
            return Area(geometry, crs)
        longest = max(geometry.boundingBox().width(), geometry.boundingBox().height())
        if longest > 0:
            geometry = geometry.densifyByDistance(longest / _SEGMENTS)
        transform = QgsCoordinateTransform(self.crs, crs, QgsProject.instance().transformContext())
        transform.setBallparkTransformsAreAppropriate(True)
        try:
            geometry.transform(transform)
        except QgsCsException as error:
            raise MpsClipError(
                tr("The extent cannot be expressed in {crs}.").format(crs=crs.userFriendlyIdentifier()),
                tr("Choose a smaller extent, near the raster."),
            ) from error
        return Area(geometry, crs)


def crs_name(crs: QgsCoordinateReferenceSystem) -> str | None:
    """``EPSG:32632`` or another authority's name, else WKT; None for an unknown CRS."""
    if not crs.isValid():
        return None
    name = crs.authid()
    # USER: and other local lists mean nothing to the engine.
    if name.partition(":")[0] in {"EPSG", "ESRI", "OGC", "IGNF", "IAU_2015"}:
        return name
    return crs.toWkt(Qgis.CrsWktVariant.Preferred)
