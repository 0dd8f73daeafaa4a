"""From the pixels of a raster to the map: one CRS for all hits, outlines that stay true in it, areas on the ground."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import shapely
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import ProjError
from shapely import Polygon
from shapely.geometry.polygon import orient

from engine.errors import RasterError, UsageError
from engine.raster.source import RasterSource
from engine.types import Float64Array, Tile

WGS84 = CRS.from_epsg(4326)
_TOLERANCE = 1e-4  # of an outline's extent: how far a straight edge may lie from the true, curved one
_MAX_PARTS = 64


def common_crs(sources: Sequence[RasterSource], chosen: CRS | None = None) -> CRS | None:
    """``chosen``, else the CRS that all rasters have, else EPSG:4326; None where no raster has one.

    Raises:
        UsageError: only some rasters have a CRS, or one is chosen for rasters that have none.
    """
    lacking = [source for source in sources if source.crs is None]
    if lacking and (chosen is not None or len(lacking) < len(sources)):
        raise UsageError(
            f"{lacking[0].path} has no coordinate reference system, so it cannot be put on one map with others.",
            "Assign one to it (gdal_edit.py -a_srs), or search it alone and choose none for the results (--crs).",
            path=lacking[0].path,
        )
    if lacking:
        return None
    if chosen is not None:
        return chosen
    first = sources[0].crs
    return first if all(source.crs == first for source in sources[1:]) else WGS84


def tile_outline(tile: Tile) -> Polygon:
    """A tile in full-resolution pixel coordinates, from its upper left corner along the first row."""
    x0, y0, x1, y1 = tile.x, tile.y, tile.x + tile.width, tile.y + tile.height
    return Polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


class Placement:
    """Puts geometries in pixel coordinates of one raster into ``target`` (None: the raster has no CRS either)."""

    def __init__(self, source: RasterSource, target: CRS | None) -> None:
        self._source = source
        self.crs = source.crs
        self.target = target

    def place(self, pixels: Polygon) -> Polygon:
        """A polygon (column, row) in full-resolution pixels, in the target CRS.

        In the raster's own CRS corners are exact and edges straight. In another, edges are divided until they follow
        the true, curved ones to 1e-4 of the polygon's extent.

        Raises:
            RasterError: it lies where the target CRS is not defined.
        """
        return self._to(self._transformer, pixels)

    def area_m2(self, pixels: Polygon) -> float | None:
        """True ground area: on the ellipsoid (Karney 2013), planar for a CRS without one, None without a CRS."""
        crs = self.crs
        if crs is None:
            return None
        if self._geodesy is None:
            axes = crs.axis_info
            factor = axes[0].unit_conversion_factor if axes and not crs.is_geographic else 0.0
            return float(self._source.pixel_polygon(pixels).area) * factor**2 or None
        transformer, geod = self._geodesy
        # Holes are subtracted where they run the other way round than the outline.
        area, _ = geod.geometry_area_perimeter(orient(self._to(transformer, pixels)))
        return abs(float(area))

    @cached_property
    def _transformer(self) -> Transformer | None:
        if self.crs is None or self.target is None or self.crs == self.target:
            return None
        return Transformer.from_crs(self.crs, self.target, always_xy=True)

    @cached_property
    def _geodesy(self) -> tuple[Transformer, Geod] | None:
        ellipsoid = self.crs.ellipsoid if self.crs else None
        if self.crs is None or ellipsoid is None:
            return None
        a, b = ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre
        degrees = CRS.from_proj4(f"+proj=longlat +a={a!r} +b={b!r} +no_defs +type=crs")
        try:
            return Transformer.from_crs(self.crs, degrees, always_xy=True), Geod(a=a, b=b)
        except ProjError:
            return None

    def _to(self, transformer: Transformer | None, pixels: Polygon) -> Polygon:
        ground = self._source.pixel_polygon(pixels)
        if transformer is None:
            return ground
        parts = 1
        while parts < _MAX_PARTS and _sag(transformer, _divided(ground, parts)) > _TOLERANCE:
            parts *= 2
        placed = shapely.transform(_divided(ground, parts), lambda points: _projected(transformer, points))
        if not np.isfinite(shapely.get_coordinates(placed)).all():
            name = self.target.name if self.target else "the coordinate reference system"
            raise RasterError(
                f"A part of {self._source.path} lies where {name} is not defined.",
                "Choose another coordinate reference system for the results (--crs on the command line).",
                path=self._source.path,
            )
        return placed


def _divided(polygon: Polygon, parts: int) -> Polygon:
    """Every edge cut into so many equal parts."""
    if parts == 1:
        return polygon
    rings = [polygon.exterior, *polygon.interiors]
    cut = [_divided_ring(shapely.get_coordinates(ring), parts) for ring in rings]
    return Polygon(cut[0], cut[1:])


def _divided_ring(points: Float64Array, parts: int) -> Float64Array:
    steps = np.arange(parts) / parts  # (k,)
    start, end = points[:-1, None, :], points[1:, None, :]
    inner = (start + (end - start) * steps[None, :, None]).reshape(-1, 2)
    return np.concatenate([inner, points[-1:]])


def _sag(transformer: Transformer, polygon: Polygon) -> float:
    """Greatest distance of a projected edge's middle from the middle of its projected ends, over the extent."""
    points = shapely.get_coordinates(polygon.exterior)
    ends = _projected(transformer, points)
    middles = _projected(transformer, (points[:-1] + points[1:]) / 2)
    with np.errstate(invalid="ignore"):  # infinite where the target CRS is not defined
        extent = float(np.ptp(ends, axis=0).max())
        distance = float(np.hypot(*(middles - (ends[:-1] + ends[1:]) / 2).T).max())
    return distance / extent if np.isfinite(distance) and extent > 0 else 0.0


def _projected(transformer: Transformer, points: Float64Array) -> Float64Array:
    x, y = transformer.transform(points[:, 0], points[:, 1])
    return np.column_stack([x, y])
