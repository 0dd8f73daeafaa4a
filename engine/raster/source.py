"""A raster opened for searching: where it lies, what it is, how tiles map to the ground."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from affine import Affine
from pyproj import CRS
from rasterio import DatasetReader
from shapely import Polygon
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from engine.raster.gdal import canonical_path, is_uri, open_dataset
from engine.raster.georeference import GeoreferenceKind, ground_pixel_size, map_pixel, read_georeference
from engine.raster.identity import RasterIdentity, read_identity
from engine.types import Tile

G = TypeVar("G", bound=BaseGeometry)


class RasterSource:
    """A raster of any driver, data type and georeference. Use :meth:`open`; close it or use it in ``with``.

    Attributes:
        path: absolute path, or the URI as given.
        name: short name for people, the file's name.
        width, height, count: columns, rows and bands.
        transform: affine, from (column, row) of pixel corners to CRS coordinates. Without a georeference: one unit a
            pixel, y upwards from 0, which is where QGIS draws such a raster.
        crs: None where the raster has none.
        georeference: where the transform comes from.
    """

    def __init__(self, dataset: DatasetReader, path: str) -> None:
        self._georeference = read_georeference(dataset)
        self.dataset = dataset
        self.path = path
        self.name = path if is_uri(path) else Path(path).name
        self.width = int(dataset.width)
        self.height = int(dataset.height)
        self.count = int(dataset.count)
        self.transform: Affine = self._georeference.transform
        self.crs: CRS | None = self._georeference.crs
        self.georeference: GeoreferenceKind = self._georeference.kind

    @classmethod
    def open(cls, path_or_uri: str | Path) -> RasterSource:
        """Open a file or anything GDAL can open by name.

        Raises:
            RasterError: missing file, no raster, no bands.
        """
        return cls(open_dataset(path_or_uri), canonical_path(path_or_uri))

    def close(self) -> None:
        self.dataset.close()

    def __enter__(self) -> RasterSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def pixel_size_m(self) -> float | None:
        """True ground metres of a pixel's side at the raster's centre, mean of both axes; None without a CRS."""
        return ground_pixel_size(self._georeference, self.width, self.height)

    def polygon(self, tile: Tile) -> Polygon:
        """The tile's outline in CRS coordinates, from its upper left corner along the first row."""
        x0, y0, x1, y1 = tile.x, tile.y, tile.x + tile.width, tile.y + tile.height
        return Polygon([map_pixel(self.transform, *corner) for corner in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))])

    def pixel_polygon(self, geometry: G) -> G:
        """A geometry in full-resolution pixel coordinates (column, row; pixel corners are whole) in the CRS."""
        t = self.transform
        mapped: G = affine_transform(geometry, [t.a, t.b, t.d, t.e, t.c, t.f])
        return mapped

    def identity(self) -> RasterIdentity:
        """What the pixels depend on, as the files are now."""
        wkt = self.crs.to_wkt() if self.crs else None
        return read_identity(self.dataset, self.path, tuple(self.transform)[:6], wkt)
