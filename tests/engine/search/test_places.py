from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer
from shapely import Point, Polygon, box, get_coordinates

from engine.errors import RasterError, UsageError
from engine.raster.georeference import parse_crs
from engine.raster.source import RasterSource
from engine.search.places import Placement, common_crs, tile_outline
from engine.types import Tile
from tests.support.colour_model import ground
from tests.support.rasters import write_raster

TILE = Tile(row=0, col=0, x=3, y=5, width=20, height=20)


def open_raster(folder: Path, transform: Affine | None, crs: str | None, name: str = "r.tif") -> RasterSource:
    path = write_raster(folder / name, ground([["moss"]]), transform=transform, crs=crs, photometric="RGB")
    return RasterSource.open(path)


@pytest.mark.parametrize(
    "transform",
    [
        Affine(0.5, 0, 400_000, 0, -0.5, 5_800_000),
        Affine(0.5, 0, 400_000, 0, 0.5, 5_800_000),
        Affine.translation(400_000, 5_800_000) @ Affine.rotation(33) @ Affine.shear(7) @ Affine.scale(0.5, -0.4),
    ],
    ids=["north-up", "south-up", "rotated and sheared"],
)
def test_corners_are_exact_in_the_rasters_own_crs(tmp_path: Path, transform: Affine) -> None:
    with open_raster(tmp_path, transform, "EPSG:32633") as source:
        placed = Placement(source, source.crs).place(tile_outline(TILE))
    pixels = [~transform * corner for corner in placed.exterior.coords]
    np.testing.assert_allclose(pixels, [(3, 5), (23, 5), (23, 25), (3, 25), (3, 5)], atol=1e-6, rtol=0)


def test_edges_follow_the_curve_in_another_crs(tmp_path: Path) -> None:
    """A tile 500 km wide: its straight upper edge is an arc on a map in degrees."""
    transform = Affine(25_000, 0, 2_500_000, 0, -25_000, 5_500_000)
    with open_raster(tmp_path, transform, "EPSG:3035") as source:
        placed = Placement(source, CRS.from_epsg(4326)).place(tile_outline(TILE))
        to_target = Transformer.from_crs(3035, 4326, always_xy=True)
        edge = [transform * (3 + 20 * t, 5) for t in np.linspace(0, 1, 101)]
        truth = np.column_stack(to_target.transform(*np.array(edge).T))
    extent = np.ptp(get_coordinates(placed), axis=0).max()
    distances = [placed.exterior.distance(Point(p)) for p in truth]
    assert max(distances) <= 2e-4 * extent
    assert len(placed.exterior.coords) > 5


def test_small_tiles_get_no_needless_corners(tmp_path: Path) -> None:
    with open_raster(tmp_path, Affine(0.5, 0, 400_000, 0, -0.5, 5_800_000), "EPSG:32633") as source:
        placed = Placement(source, CRS.from_epsg(25833)).place(tile_outline(TILE))
    assert len(placed.exterior.coords) == 5


def test_areas_are_true_on_the_ground(tmp_path: Path) -> None:
    square = box(0, 0, 10, 10)
    with open_raster(tmp_path, Affine(100, 0, 500_000, 0, -100, 6_700_000), "EPSG:32633", "utm.tif") as source:
        # On the central meridian UTM's scale is 0.9996: true lengths are longer than the map's.
        assert Placement(source, None).area_m2(square) == pytest.approx(1000**2 / 0.9996**2, rel=1e-5)
    with open_raster(tmp_path, Affine(10, 0, 0, 0, -10, 8_400_000), "EPSG:3857", "mercator.tif") as source:
        area = Placement(source, None).area_m2(square)
        latitude = math.radians(Transformer.from_crs(3857, 4326, always_xy=True).transform(0, 8_400_000)[1])
        assert area == pytest.approx(100**2 * math.cos(latitude) ** 2, rel=0.01)
    with open_raster(tmp_path, Affine(1e-5, 0, 13.0, 0, -1e-5, 60.0), "EPSG:4326", "degrees.tif") as source:
        # On the ellipsoid at 60°: 111,412 m a degree of latitude, 55,800 m of longitude.
        assert Placement(source, None).area_m2(square) == pytest.approx(1e-8 * 111_412 * 55_800, rel=1e-3)
    with open_raster(tmp_path, None, None, "bare.tif") as source:
        assert Placement(source, None).area_m2(square) is None


def test_holes_count_neither_in_place_nor_in_area(tmp_path: Path) -> None:
    ring = Polygon(box(0, 0, 10, 10).exterior.coords, [box(2, 2, 8, 8).exterior.coords])
    with open_raster(tmp_path, Affine(100, 0, 500_000, 0, -100, 6_700_000), "EPSG:32633") as source:
        placement = Placement(source, CRS.from_epsg(4326))
        assert placement.area_m2(ring) == pytest.approx(64 / 0.9996**2 * 1e4, rel=1e-4)
        assert len(placement.place(ring).interiors) == 1


def test_the_common_crs_is_the_rasters_own_or_4326_or_the_chosen(tmp_path: Path) -> None:
    up = Affine(0.5, 0, 400_000, 0, -0.5, 5_800_000)
    with (
        open_raster(tmp_path, up, "EPSG:32633", "a.tif") as a,
        open_raster(tmp_path, up, "EPSG:32633", "b.tif") as b,
        open_raster(tmp_path, up, "EPSG:25833", "c.tif") as c,
        open_raster(tmp_path, None, None, "d.tif") as d,
    ):
        assert common_crs([a, b]) == CRS.from_epsg(32633)
        assert common_crs([a, b, c]) == CRS.from_epsg(4326)
        assert common_crs([a, c], CRS.from_epsg(3857)) == CRS.from_epsg(3857)
        assert common_crs([d]) is None
        with pytest.raises(UsageError):
            common_crs([a, d])


def test_a_place_outside_a_crs_is_an_error(tmp_path: Path) -> None:
    with open_raster(tmp_path, Affine(1, 0, 0, 0, -1, 0), "EPSG:4326") as source:
        # The hemisphere centred far away has no finite coordinates for the other side of the earth.
        target = CRS.from_proj4("+proj=ortho +lat_0=0 +lon_0=-170")
        with pytest.raises(RasterError, match="--crs"):
            Placement(source, target).place(tile_outline(TILE))


def test_a_crs_that_is_none_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="EPSG:99999999"):
        parse_crs("EPSG:99999999")
