import math
import os
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from shapely import Polygon, box

from engine.errors import RasterError
from engine.raster.georeference import GeoreferenceKind
from engine.raster.grid import Grid
from engine.raster.source import RasterSource
from engine.types import Tile
from tests.support.rasters import NORTH_UP, UTM, write_raster

ZEROS = np.zeros((1, 70, 90), np.uint8)


def rotated(degrees: float, x: float, y: float) -> Affine:
    """Half-metre pixels, turned counter-clockwise."""
    cos, sin = 0.5 * math.cos(math.radians(degrees)), 0.5 * math.sin(math.radians(degrees))
    return Affine(cos, sin, x, sin, -cos, y)


TRANSFORMS = {
    "north-up": NORTH_UP,
    "rotated": rotated(33.0, 400000.0, 5800000.0),
    "south-up": Affine(0.5, 0.0, 400000.0, 0.0, 0.5, 5800000.0),
    "sheared": Affine(0.5, 0.12, 400000.0, -0.07, -0.6, 5800000.0),
    "mirrored": Affine(-0.5, 0.0, 400000.0, 0.0, -0.5, 5800000.0),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_tile_corners_are_exact(tmp_path, transform: Affine) -> None:
    path = write_raster(tmp_path / "r.tif", ZEROS, transform=transform)
    with RasterSource.open(path) as source:
        assert source.georeference is GeoreferenceKind.AFFINE
        for tile in Grid(source.width, source.height, 32, 0.25):
            corners = list(source.polygon(tile).exterior.coords)[:-1]
            pixels = [(tile.x, tile.y), (tile.x + 32, tile.y), (tile.x + 32, tile.y + 32), (tile.x, tile.y + 32)]
            # Back through the transform, worked out by hand, not by the code under test.
            for (x, y), (col, row) in zip(corners, pixels, strict=True):
                dx, dy = x - transform.c, y - transform.f
                determinant = transform.a * transform.e - transform.b * transform.d
                assert (transform.e * dx - transform.b * dy) / determinant == pytest.approx(col, abs=1e-6)
                assert (transform.a * dy - transform.d * dx) / determinant == pytest.approx(row, abs=1e-6)


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_pixel_geometry_lands_where_its_tile_lies(tmp_path, transform: Affine) -> None:
    path = write_raster(tmp_path / "r.tif", ZEROS, transform=transform)
    with RasterSource.open(path) as source:
        outline = source.pixel_polygon(box(10, 20, 42, 52))
        tile = source.polygon(Tile(0, 0, 10, 20, 32, 32))
        assert outline.normalize().equals_exact(tile.normalize(), 1e-7)
        with_hole = Polygon(box(0, 0, 30, 30).exterior, [box(10, 10, 20, 20).exterior])
        assert source.pixel_polygon(with_hole).area == pytest.approx(800 * abs(transform.determinant))


def test_north_up_corners_have_the_expected_coordinates(tmp_path) -> None:
    with RasterSource.open(write_raster(tmp_path / "r.tif", ZEROS)) as source:
        assert source.polygon(Tile(0, 1, 10, 20, 40, 30)).bounds == (400005.0, 5799975.0, 400025.0, 5799990.0)
        assert (source.width, source.height, source.count, source.name) == (90, 70, 1, "r.tif")
        assert source.crs is not None
        assert source.crs.to_epsg() == 32633


def test_raster_without_georeference_lies_where_qgis_draws_it(tmp_path) -> None:
    path = write_raster(tmp_path / "photo.png", np.zeros((3, 40, 60), np.uint8), driver="PNG", crs=None, transform=None)
    with RasterSource.open(path) as source:
        assert source.crs is None
        assert source.pixel_size_m is None
        assert source.georeference is GeoreferenceKind.NONE
        assert source.polygon(Tile(0, 0, 0, 0, 60, 40)).bounds == (0.0, -40.0, 60.0, 0.0)


def test_transform_without_crs_is_kept(tmp_path) -> None:
    with RasterSource.open(write_raster(tmp_path / "r.tif", ZEROS, crs=None)) as source:
        assert source.crs is None
        assert source.pixel_size_m is None
        assert source.transform == NORTH_UP


def test_ground_control_points_are_fitted(tmp_path) -> None:
    path = tmp_path / "gcps.tif"
    corners = [(0, 0), (0, 90), (70, 0), (70, 90)]
    gcps = [GroundControlPoint(row=r, col=c, x=500000 + 2 * c, y=5800000 - 2 * r) for r, c in corners]
    with rasterio.open(path, "w", driver="GTiff", width=90, height=70, count=1, dtype="uint8", gcps=gcps, crs=UTM) as d:
        d.write(ZEROS)
    with RasterSource.open(path) as source:
        assert source.georeference is GeoreferenceKind.GCPS
        assert source.crs is not None
        assert source.crs.to_epsg() == 32633
        assert source.polygon(Tile(0, 0, 0, 0, 90, 70)).equals_exact(
            Polygon([(500000, 5800000), (500180, 5800000), (500180, 5799860), (500000, 5799860)]), 1e-6
        )


DEGREE_AT_52 = (111_267.0, 68_678.0)  # metres of a degree of latitude and of longitude at 52° N, WGS 84


@pytest.mark.parametrize(
    ("crs", "transform", "metres"),
    [
        ("EPSG:4326", Affine(1e-4, 0, 13.0, 0, -1e-4, 52.0), sum(DEGREE_AT_52) / 2 * 1e-4),
        ("EPSG:3857", Affine(1, 0, 1447153.0, 0, -1, 6800125.0), math.cos(math.radians(52.0))),
        ("EPSG:32633", Affine(0.5, 0, 500000.0, 0, -0.5, 5800000.0), 0.5 / 0.9996),
        ("EPSG:2263", Affine(1, 0, 984250.0, 0, -1, 200000.0), 0.3048006),  # US survey feet
        ("EPSG:4807", Affine(1e-4, 0, 2.0, 0, -1e-4, 54.0), (100_000 + 66_250) / 2 * 1e-4),  # grads from Paris
        ("EPSG:25832+7837", Affine(2, 0, 500000.0, 0, -2, 5800000.0), 2.0 / 0.9996),  # with heights
    ],
)
def test_pixel_size_is_in_true_ground_metres(tmp_path, crs: str, transform: Affine, metres: float) -> None:
    path = write_raster(tmp_path / "r.tif", np.zeros((1, 10, 10), np.uint8), crs=crs, transform=transform)
    with RasterSource.open(path) as source:
        assert source.pixel_size_m == pytest.approx(metres, rel=0.004)


def test_pixel_size_of_a_rotated_raster_is_that_of_its_sides(tmp_path) -> None:
    transform = rotated(30.0, 500000.0, 5800000.0)
    with RasterSource.open(write_raster(tmp_path / "r.tif", ZEROS, transform=transform)) as source:
        assert source.pixel_size_m == pytest.approx(0.5 / 0.9996, rel=1e-4)


def test_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(RasterError, match=r"nowhere\.tif does not exist\. Check the path"):
        RasterSource.open(tmp_path / "nowhere.tif")


def test_file_that_is_no_raster_is_named(tmp_path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no raster")
    with pytest.raises(RasterError, match=r"notes\.txt cannot be read as a raster: .*format that GDAL knows"):
        RasterSource.open(path)


def test_folder_and_broken_header_are_refused(tmp_path) -> None:
    with pytest.raises(RasterError, match="cannot be read as a raster"):
        RasterSource.open(tmp_path)
    path = tmp_path / "broken.tif"
    path.write_bytes(b"II*\x00\x08\x00\x00\x00\xff\xff garbage")
    with pytest.raises(RasterError, match=r"broken\.tif cannot be read"):
        RasterSource.open(path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_named(tmp_path) -> None:
    path = write_raster(tmp_path / "secret.tif", ZEROS)
    path.chmod(0)
    with pytest.raises(RasterError, match=r"secret\.tif may not be read"):
        RasterSource.open(path)


def test_container_without_bands_names_its_parts(tmp_path) -> None:
    path = tmp_path / "two.gpkg"
    for table in ("a", "b"):
        write_raster(
            path,
            np.full((3, 30, 30), 7, np.uint8),
            driver="GPKG",
            crs="EPSG:3857",
            RASTER_TABLE=table,
            APPEND_SUBDATASET="YES" if path.exists() else "NO",
        )
    with pytest.raises(RasterError, match="Name one of its subdatasets instead: GPKG:") as caught:
        RasterSource.open(path)
    name = caught.value.data["subdatasets"][1]
    with RasterSource.open(name) as source:
        assert source.path == name


@pytest.mark.parametrize("name", ["with space.tif", "Überflug Ærø 東京.tif", "a:b.tif", "percent%20.tif"])
def test_unusual_file_names(tmp_path, name: str) -> None:
    folder = tmp_path / "my földer"
    folder.mkdir()
    path = write_raster(folder / name, ZEROS)
    with RasterSource.open(path) as source:
        assert source.name == name
        assert source.path == str(path.resolve())


def test_nothing_is_printed_for_odd_or_broken_rasters(tmp_path) -> None:
    plain = write_raster(tmp_path / "photo.png", np.zeros((3, 9, 9), np.uint8), driver="PNG", crs=None, transform=None)
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\x00\x08\x00\x00\x00\xff\xff garbage")
    program = (
        "import sys\n"
        "from engine.errors import RasterError\n"
        "from engine.raster.read import TileReader\n"
        "from engine.types import Tile\n"
        "TileReader(sys.argv[1], None, None, 9).read(Tile(0, 0, 0, 0, 9, 9))\n"
        "try:\n    TileReader(sys.argv[2], None, None, 9)\n"
        "except RasterError:\n    print('refused')\n"
    )
    command = [sys.executable, "-W", "default", "-c", program, str(plain), str(broken)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("refused\n", "")
