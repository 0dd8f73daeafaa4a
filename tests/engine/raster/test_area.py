from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import Transformer
from shapely import Point, Polygon, box

from engine.config import AreaOption
from engine.errors import UsageError
from engine.raster.area import Area, read_area
from engine.raster.grid import Grid
from engine.raster.source import RasterSource
from tests.support.rasters import NORTH_UP, write_raster

ROTATED = Affine.translation(400_000, 5_800_000) @ Affine.rotation(33) @ Affine.scale(0.5, -0.5)


def raster(folder: Path, transform: Affine | None = NORTH_UP, crs: str | None = "EPSG:32633") -> Path:
    return write_raster(folder / "r.tif", np.zeros((1, 300, 400), np.uint8), transform=transform, crs=crs)


def tiles(path: Path, geometry: shapely.Geometry, crs: str | None = None, grid: Grid | None = None) -> list[int]:
    area = Area.of(AreaOption(wkt=geometry.wkt, crs=crs))
    with RasterSource.open(path) as source:
        return area.tiles(source, grid or Grid(400, 300, 100)).tolist()


def on_map(path: Path, pixels: shapely.Geometry) -> shapely.Geometry:
    with RasterSource.open(path) as source:
        return source.pixel_polygon(pixels)


def test_tiles_that_only_touch_the_area_are_not_in_it(tmp_path: Path) -> None:
    path = raster(tmp_path)
    assert tiles(path, on_map(path, box(100, 0, 300, 200))) == [1, 2, 5, 6]
    assert tiles(path, on_map(path, box(99, 0, 301, 200))) == [0, 1, 2, 3, 4, 5, 6, 7]


def test_the_shape_counts_not_its_bounds(tmp_path: Path) -> None:
    path = raster(tmp_path)
    corner = Polygon([(0, 0), (90, 0), (90, 210), (390, 210), (390, 290), (0, 290)])
    assert tiles(path, on_map(path, corner)) == [0, 4, 8, 9, 10, 11]
    two = shapely.union_all([box(10, 10, 20, 20), box(310, 210, 320, 220)])
    assert tiles(path, on_map(path, two)) == [0, 11]
    ring = box(0, 0, 400, 300).difference(box(95, 95, 305, 205))
    assert tiles(path, on_map(path, ring)) == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED], ids=["north up", "rotated"])
@pytest.mark.parametrize("grid", [Grid(400, 300, 70, 0.4), Grid(400, 300, 224, 0.25), Grid(400, 300, 350, 0.9)])
def test_the_tiles_are_those_that_a_comparison_with_each_finds(tmp_path: Path, transform: Affine, grid: Grid) -> None:
    path = raster(tmp_path, transform)
    rng, e = np.random.default_rng(1), 1e-3
    for _ in range(20):
        shape = Polygon(rng.uniform(-100, 450, (3, 2)))
        found = [
            n
            for n, tile in enumerate(grid)
            if box(tile.x + e, tile.y + e, tile.x + tile.width - e, tile.y + tile.height - e).intersects(shape)
        ]
        assert tiles(path, on_map(path, shape), "EPSG:32633", grid) == found


def test_an_area_in_another_crs_lies_where_it_does_on_the_ground(tmp_path: Path) -> None:
    path = raster(tmp_path, ROTATED)
    to_degrees = Transformer.from_crs(32633, 4326, always_xy=True)
    ground = on_map(path, box(110, 110, 190, 190))
    degrees = shapely.transform(ground, lambda points: np.column_stack(to_degrees.transform(*points.T)))
    assert tiles(path, degrees, "EPSG:4326") == [5]
    assert tiles(path, box(-180, -90, 180, 90), "EPSG:4326") == list(range(12))
    assert tiles(path, box(-2e7, -2e7, 2e7, 2e7), "EPSG:3857") == list(range(12))
    assert tiles(path, box(100, -10, 110, 10), "EPSG:4326") == []


def test_the_edge_of_a_large_area_bends_with_its_crs(tmp_path: Path) -> None:
    # 60° north, which a polar map draws as an arc: its chord would leave out what lies south of it.
    polar = Affine(10_000.0, 0.0, -4_000_000.0, 0.0, -10_000.0, 4_000_000.0)
    path = write_raster(tmp_path / "p.tif", np.zeros((1, 800, 800), np.uint8), transform=polar, crs="EPSG:3995")
    area = Area.of(AreaOption(wkt=box(-45, 60, 45, 62).wkt, crs="EPSG:4326"))
    to_map = Transformer.from_crs(4326, 3995, always_xy=True)
    with RasterSource.open(path) as source:
        found = set(area.tiles(source, Grid(800, 800, 10)).tolist())
    for longitude in (-44.5, -20.0, 0.0, 33.0):
        x, y = to_map.transform(longitude, 60.05)
        assert int((4_000_000 - y) // 100_000) * 80 + int((x + 4_000_000) // 100_000) in found


def test_a_raster_without_crs_takes_the_area_in_its_own_coordinates(tmp_path: Path) -> None:
    path = raster(tmp_path, None, None)
    assert tiles(path, box(10, -90, 90, -10)) == [0]
    assert tiles(path, box(310, -290, 390, -210), "EPSG:3857") == [11]


def test_an_outline_that_crosses_itself_is_mended(tmp_path: Path) -> None:
    path = raster(tmp_path)
    bow = Polygon([(10, 10), (390, 90), (390, 10), (10, 90)])
    assert tiles(path, on_map(path, bow)) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("wkt", "problem"),
    [
        ("nowhere", "no well-known text"),
        ("POLYGON ((0 0, 1 1", "no well-known text"),
        ("POINT (1 2)", "covers no ground"),
        ("LINESTRING (1 2, 3 4)", "covers no ground"),
        ("POLYGON EMPTY", "covers no ground"),
        ("POLYGON ((0 0, 1 0, inf 1, 0 0))", "covers no ground"),
    ],
)
def test_what_is_no_area_is_wrong_use(wkt: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        Area.of(AreaOption(wkt=wkt))


def test_an_unknown_crs_is_wrong_use() -> None:
    with pytest.raises(UsageError, match=r"EPSG:99999999.*such as EPSG:25832"):
        Area.of(AreaOption(wkt=box(0, 0, 1, 1).wkt, crs="EPSG:99999999"))


def test_an_area_comes_from_a_file_with_its_crs(tmp_path: Path) -> None:
    path, file = raster(tmp_path), tmp_path / "areas.gpkg"
    shapes = [on_map(path, box(10, 10, 20, 20)), on_map(path, box(110, 110, 120, 120)), None]
    geopandas.GeoDataFrame({"a": [1, 2, 3]}, geometry=shapes, crs="EPSG:32633").to_crs(4326).to_file(file)
    option = read_area(file, "EPSG:3857")
    with RasterSource.open(path) as source:
        assert Area.of(option).tiles(source, Grid(400, 300, 100)).tolist() == [0, 5]
    bare = tmp_path / "bare.gpkg"
    with pytest.warns(UserWarning, match="crs"):
        geopandas.GeoDataFrame(geometry=shapes[:1]).to_file(bare)
    assert read_area(bare, "EPSG:32633").crs == "EPSG:32633"
    assert read_area(bare).crs is None


def test_a_file_without_polygons_is_wrong_use(tmp_path: Path) -> None:
    geopandas.GeoDataFrame(geometry=[Point(1, 2)], crs="EPSG:4326").to_file(tmp_path / "points.gpkg")
    with pytest.raises(UsageError, match=r"points\.gpkg has no polygons"):
        read_area(tmp_path / "points.gpkg")
    (tmp_path / "text.gpkg").write_text("text")
    with pytest.raises(UsageError, match=r"text\.gpkg cannot be read as a file of polygons"):
        read_area(tmp_path / "text.gpkg")
