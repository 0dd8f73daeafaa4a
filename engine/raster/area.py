"""The part of a raster that is asked for: polygons on the map, and the tiles that share ground with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from pyproj import CRS, Transformer
from shapely import MultiPolygon, Polygon
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from engine.config import AreaOption
from engine.errors import UsageError
from engine.raster.georeference import parse_crs
from engine.raster.grid import Grid
from engine.raster.source import RasterSource
from engine.types import Float64Array, IntArray

_LATTICE = 33  # points along each axis of a raster, by which its place in another CRS is known
_PARTS = 256  # an area's extent in its longest straight edge, where the edges bend in another CRS
_MARGIN = 1e-3  # pixels: a tile that no more than touches the area shares no ground with it


@dataclass(frozen=True, slots=True)
class Area:
    """Polygons in ``crs`` (x east or longitude); None: in the CRS of whichever raster is asked about.

    A raster without a CRS takes them in its own coordinates, as a map does that draws it.
    """

    polygons: MultiPolygon
    crs: CRS | None

    @classmethod
    def of(cls, option: AreaOption) -> Area:
        """The area of a user's option; what crosses itself is mended.

        Raises:
            UsageError: no WKT, nothing that covers ground, or an unknown CRS.
        """
        try:
            geometry = shapely.from_wkt(option.wkt)
        except shapely.errors.ShapelyError as error:
            raise UsageError(
                f"The area {_short(option.wkt)!r} is no well-known text: {str(error).splitlines()[0]}.",
                "Give a polygon such as POLYGON ((0 0, 100 0, 100 100, 0 100, 0 0)).",
                area=option.wkt,
            ) from error
        finite = bool(np.isfinite(shapely.get_coordinates(geometry)).all())
        polygons = _polygons(geometry) if finite else MultiPolygon()
        if polygons.is_empty:
            raise UsageError(
                f"The area {_short(option.wkt)!r} covers no ground.", "Give a polygon or several.", area=option.wkt
            )
        return cls(polygons, parse_crs(option.crs) if option.crs else None)

    def tiles(self, source: RasterSource, grid: Grid) -> IntArray:
        """Numbers of the tiles of a raster's grid that share ground with the area, ascending; none where it lies
        elsewhere.

        Raises:
            UsageError: the raster's CRS is not defined where the area meets the raster.
        """
        pixels = self._in_pixels(source)
        if pixels.is_empty:
            return np.empty(0, np.int64)
        shapely.prepare(pixels)
        x0, y0, x1, y1 = pixels.bounds
        rows, cols = _between(grid, grid.n_rows, y0, y1), _between(grid, grid.n_cols, x0, x1)
        across = [grid.tile(0, col) for col in cols]
        left = np.array([tile.x for tile in across], np.float64) + _MARGIN
        right = np.array([tile.x + tile.width for tile in across], np.float64) - _MARGIN
        found = [np.empty(0, np.int64)]
        for row in rows:
            tile = grid.tile(row, 0)
            boxes = shapely.box(left, tile.y + _MARGIN, right, tile.y + tile.height - _MARGIN)
            hit = shapely.intersects(pixels, boxes)
            found.append(row * grid.n_cols + np.array(cols, np.int64)[hit])
        return np.concatenate(found)

    def _in_pixels(self, source: RasterSource) -> MultiPolygon:
        """In full-resolution pixels (column, row) of a raster; no farther than a little beyond it."""
        polygons: BaseGeometry = self.polygons
        if self.crs is not None and source.crs is not None and self.crs != source.crs:
            polygons = self._projected(source, source.crs)
        t = ~source.transform
        pixels = affine_transform(polygons, [t.a, t.b, t.d, t.e, t.c, t.f])
        frame = shapely.box(-1.0, -1.0, source.width + 1.0, source.height + 1.0)
        return _polygons(shapely.intersection(_polygons(pixels), frame))

    def _projected(self, source: RasterSource, crs: CRS) -> BaseGeometry:
        # Clipped first: an area may be the whole world, which few CRSs can hold.
        there = _lattice(source)
        to_area = Transformer.from_crs(crs, self.crs, always_xy=True)
        known = np.column_stack(to_area.transform(there[:, 0], there[:, 1]))
        known = known[np.isfinite(known).all(axis=1)]
        if len(known) == 0:
            return MultiPolygon()
        low, high = known.min(axis=0), known.max(axis=0)
        margin = 0.05 * (high - low)
        near = shapely.intersection(self.polygons, shapely.box(*(low - margin), *(high + margin)))
        if near.is_empty:
            return MultiPolygon()
        near = shapely.segmentize(near, float(np.ptp(shapely.get_coordinates(near), axis=0).max()) / _PARTS)
        to_raster = Transformer.from_crs(self.crs, crs, always_xy=True)
        placed = shapely.transform(
            near, lambda points: np.column_stack(to_raster.transform(points[:, 0], points[:, 1]))
        )
        if not np.isfinite(shapely.get_coordinates(placed)).all():
            raise UsageError(
                f"The area reaches to where {crs.name}, in which {source.path} lies, is not defined.",
                "Choose a smaller area, or give it in the raster's own coordinate reference system.",
                path=source.path,
            )
        return placed


def read_area(path: Path, crs: str | None = None) -> AreaOption:
    """The polygons of a file's first layer, in any vector format that GDAL reads.

    Args:
        crs: where the file does not say its own.

    Raises:
        UsageError: it cannot be read, or has no polygons.
    """
    try:
        frame = pyogrio.read_dataframe(path, columns=[])
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise UsageError(
            f"{path} cannot be read as a file of polygons: {str(error).splitlines()[0]}.",
            "Give a GeoPackage, GeoJSON, shapefile or the like, or well-known text.",
            path=str(path),
        ) from error
    geometries = [geometry for geometry in getattr(frame, "geometry", []) if geometry is not None]
    polygons = _polygons(shapely.union_all([_polygons(geometry) for geometry in geometries]))
    if polygons.is_empty:
        raise UsageError(f"{path} has no polygons.", "Give a file of polygons.", path=str(path))
    own = frame.crs.to_wkt() if frame.crs is not None else None
    return AreaOption(wkt=shapely.to_wkt(polygons, rounding_precision=-1), crs=own or crs)


def _polygons(geometry: BaseGeometry) -> MultiPolygon:
    """The valid, plane, polygonal part of a geometry."""
    valid = shapely.make_valid(shapely.force_2d(geometry))
    parts = shapely.get_parts(shapely.get_parts([valid]))  # a collection may hold multipolygons
    polygons = [part for part in parts if isinstance(part, Polygon) and not part.is_empty]
    united = shapely.union_all(polygons)
    return united if isinstance(united, MultiPolygon) else MultiPolygon([united] if polygons else [])


def _between(grid: Grid, count: int, low: float, high: float) -> range:
    """Rows or columns of a grid that may reach into an interval of pixels; the last is shifted inwards, so it may."""
    first = max(0, int((low - grid.side) // grid.stride))
    last = min(count - 1, int(high // grid.stride) + 1)
    return range(min(first, count - 1), last + 1)


def _lattice(source: RasterSource) -> Float64Array:
    """Points all over a raster, its edges included, in its CRS ``(k, 2)``."""
    cols, rows = np.meshgrid(np.linspace(0, source.width, _LATTICE), np.linspace(0, source.height, _LATTICE))
    points = shapely.points(cols.ravel(), rows.ravel())
    return np.array(shapely.get_coordinates([source.pixel_polygon(point) for point in points]))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
