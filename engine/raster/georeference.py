"""Where a raster lies: its affine transform, its CRS and the true size of its pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from affine import Affine
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import CRSError, ProjError
from rasterio import DatasetReader
from rasterio.errors import RasterioError
from rasterio.transform import from_gcps

from engine.errors import UsageError
from engine.types import TextEnum

UNREFERENCED = Affine(1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
"""One unit a pixel, rows downwards: where QGIS draws a raster without a georeference."""


class GeoreferenceKind(TextEnum):
    """Where the transform comes from. ``gcps``: the best affine fit through ground control points, so approximate."""

    AFFINE = "affine"
    GCPS = "gcps"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Georeference:
    """``transform`` maps (column, row) of pixel corners to (x, y) of ``crs``, x always east or longitude."""

    transform: Affine
    crs: CRS | None
    kind: GeoreferenceKind


def parse_crs(text: str) -> CRS:
    """``"EPSG:25832"`` or anything else that pyproj understands.

    Raises:
        UsageError: it understands nothing.
    """
    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise UsageError(
            f"{text!r} is no coordinate reference system.", "Give an authority's code such as EPSG:25832.", crs=text
        ) from error


def read_georeference(dataset: DatasetReader) -> Georeference:
    """The georeference of an open dataset; without one, :data:`UNREFERENCED` and no CRS."""
    if dataset.transform != Affine.identity():
        return Georeference(dataset.transform, _pyproj_crs(dataset), GeoreferenceKind.AFFINE)
    gcps, gcp_crs = dataset.gcps
    if len(gcps) >= 3:
        try:
            fitted = from_gcps(gcps)
        except (RasterioError, ValueError):
            fitted = None
        if fitted is not None and fitted.determinant != 0.0:
            return Georeference(fitted, _to_pyproj(gcp_crs), GeoreferenceKind.GCPS)
    # A CRS without a transform says nothing about where the pixels are.
    return Georeference(UNREFERENCED, None, GeoreferenceKind.NONE)


def map_pixel(transform: Affine, col: float, row: float) -> tuple[float, float]:
    """Pixel corner (column, row) to (x, y). Spelled out, as affine 2 and 3 name their product differently."""
    return (
        transform.a * col + transform.b * row + transform.c,
        transform.d * col + transform.e * row + transform.f,
    )


def ground_pixel_size(georeference: Georeference, width: int, height: int) -> float | None:
    """True ground metres of a pixel's side at the raster's centre, mean of both axes; None without a CRS.

    Distances are geodesics on the CRS's ellipsoid (Karney 2013, "Algorithms for geodesics"), so that degrees and
    projections with a scale far from 1, such as web Mercator, give true metres.
    """
    crs = georeference.crs
    if crs is None:
        return None
    col, row = width / 2, height / 2
    ends = [(col - 0.5, row), (col + 0.5, row), (col, row - 0.5), (col, row + 0.5)]
    points = [map_pixel(georeference.transform, *end) for end in ends]
    sides = _geodesic_sides(crs, points) or _planar_sides(crs, points)
    size = sum(sides) / 2
    return size if math.isfinite(size) and size > 0 else None


def _geodesic_sides(crs: CRS, points: list[tuple[float, float]]) -> tuple[float, float] | None:
    ellipsoid = crs.ellipsoid
    if ellipsoid is None:
        return None
    a, b = ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre
    try:
        # A bare ellipsoid: degrees from Greenwich, whatever unit and meridian the CRS counts in.
        degrees = CRS.from_proj4(f"+proj=longlat +a={a!r} +b={b!r} +no_defs +type=crs")
        to_degrees = Transformer.from_crs(crs, degrees, always_xy=True)
        lon, lat = to_degrees.transform([x for x, _ in points], [y for _, y in points], errcheck=True)
    except ProjError:
        return None
    geod = Geod(a=a, b=b)
    _, _, (across, down) = geod.inv([lon[0], lon[2]], [lat[0], lat[2]], [lon[1], lon[3]], [lat[1], lat[3]])
    return (across, down) if math.isfinite(across) and math.isfinite(down) and across + down > 0 else None


def _planar_sides(crs: CRS, points: list[tuple[float, float]]) -> tuple[float, float]:
    factor = crs.axis_info[0].unit_conversion_factor if crs.axis_info and not crs.is_geographic else math.nan
    return math.dist(points[0], points[1]) * factor, math.dist(points[2], points[3]) * factor


def _pyproj_crs(dataset: DatasetReader) -> CRS | None:
    return _to_pyproj(dataset.crs)


def _to_pyproj(crs: object) -> CRS | None:
    if not crs:
        return None
    to_wkt = crs.to_wkt  # type: ignore[attr-defined]
    for version in ("WKT2_2019", None):
        try:
            return CRS.from_wkt(to_wkt(version=version))
        except (CRSError, RasterioError):
            continue
    return None
