import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine

from engine.errors import UsageError
from engine.raster.grid import Grid, TileSize, TileUnit, make_grid, parse_tile_size
from engine.raster.source import RasterSource
from engine.types import Tile
from tests.support.rasters import write_raster

grids = st.builds(
    Grid,
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    side=st.integers(1, 150),
    overlap=st.one_of(st.just(0.0), st.floats(0.0, 0.9)),
).filter(lambda grid: len(grid) <= 20_000)


@settings(max_examples=150, deadline=None)
@given(grids)
def test_every_pixel_is_covered_no_tile_hangs_over_and_none_occurs_twice(grid: Grid) -> None:
    covered = np.zeros((grid.height, grid.width), dtype=bool)
    windows = set()
    for tile in grid:
        assert min(tile.x, tile.y) >= 0
        assert tile.x + tile.width <= grid.width
        assert tile.y + tile.height <= grid.height
        assert (tile.width, tile.height) == (min(grid.side, grid.width), min(grid.side, grid.height))
        covered[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] = True
        windows.add((tile.x, tile.y))
    assert covered.all()
    assert len(windows) == len(grid)


@settings(max_examples=150, deadline=None)
@given(grids)
def test_neighbours_overlap_as_asked_and_no_tile_could_be_spared(grid: Grid) -> None:
    wanted = min(grid.side - 1, math.ceil(grid.side * grid.overlap - 1e-6))
    for length, positions in (
        (grid.width, [grid.tile(0, col).x for col in range(grid.n_cols)]),
        (grid.height, [grid.tile(row, 0).y for row in range(grid.n_rows)]),
    ):
        assert all(left + grid.side - right >= wanted for left, right in pairwise(positions))
        reach_of_fewer = (len(positions) - 2) * grid.stride + grid.side
        assert len(positions) == 1 or reach_of_fewer < length


@settings(max_examples=50, deadline=None)
@given(grids)
def test_indexing_agrees_with_iteration_row_by_row(grid: Grid) -> None:
    tiles = list(grid)
    assert len(tiles) == len(grid) == grid.n_rows * grid.n_cols
    assert tiles == [grid[i] for i in range(len(grid))]
    assert [(t.row, t.col) for t in tiles] == [(r, c) for r in range(grid.n_rows) for c in range(grid.n_cols)]
    assert grid[-1] == tiles[-1]
    with pytest.raises(IndexError):
        grid[len(grid)]


def test_last_column_and_row_are_shifted_inwards() -> None:
    grid = Grid(width=500, height=300, side=224, overlap=0.0)
    assert [tile.x for tile in grid][:3] == [0, 224, 276]
    assert (grid.n_rows, grid.n_cols) == (2, 3)
    assert grid[5] == Tile(row=1, col=2, x=276, y=76, width=224, height=224)


def test_tiles_that_fit_exactly_are_not_followed_by_another() -> None:
    assert [(tile.x, tile.y) for tile in Grid(448, 448, 224, 0.0)] == [(0, 0), (224, 0), (0, 224), (224, 224)]
    assert len(Grid(224, 224, 224, 0.5)) == 1


def test_raster_smaller_than_a_tile_is_covered_once() -> None:
    assert list(Grid(100, 60, 224, 0.5)) == [Tile(0, 0, 0, 0, 100, 60)]
    assert list(Grid(300, 60, 224, 0.0)) == [Tile(0, 0, 0, 0, 224, 60), Tile(0, 1, 76, 0, 224, 60)]


def test_a_grid_of_a_continent_costs_nothing() -> None:
    grid = Grid(10_000_000, 10_000_000, 224, 0.25)
    assert len(grid) == 59524 * 59524
    assert grid[len(grid) - 1].x == 10_000_000 - 224


@pytest.mark.parametrize("overlap", [-0.1, 0.91, 1.0, math.nan])
def test_overlap_out_of_range_is_refused(overlap: float) -> None:
    with pytest.raises(UsageError, match=r"between 0 and 0\.9"):
        Grid(100, 100, 10, overlap)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("224px", TileSize(224.0, TileUnit.PIXEL)),
        ("224", TileSize(224.0, TileUnit.PIXEL)),
        (" 224 PX ", TileSize(224.0, TileUnit.PIXEL)),
        ("100m", TileSize(100.0, TileUnit.METRE)),
        ("0.5m", TileSize(0.5, TileUnit.METRE)),
        (" Auto", TileSize(224.0, TileUnit.AUTO)),
    ],
)
def test_tile_sizes_are_parsed(text: str, size: TileSize) -> None:
    assert parse_tile_size(text) == size
    assert parse_tile_size(str(size)) == size


@pytest.mark.parametrize(
    "text", ["", "px", "0", "0m", "-5px", "12.5px", "100 km", "nan", "inf", "1e3px", "224 224", "9" * 400]
)
def test_other_tile_sizes_are_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(UsageError, match="such as 224px"):
        parse_tile_size(text)


def test_metres_need_a_crs(tmp_path) -> None:
    path = write_raster(tmp_path / "plain.tif", np.zeros((1, 50, 50), np.uint8), crs=None)
    with RasterSource.open(path) as source, pytest.raises(UsageError, match="in pixels, such as 224px"):
        make_grid(source, parse_tile_size("100m"), 0.0)


def test_metres_become_pixels(tmp_path) -> None:
    path = write_raster(tmp_path / "utm.tif", np.zeros((1, 500, 500), np.uint8))  # 0.5 m, near the central meridian
    with RasterSource.open(path) as source:
        assert make_grid(source, parse_tile_size("100m"), 0.0).side == 200
        with pytest.raises(UsageError, match="smaller than a pixel"):
            make_grid(source, parse_tile_size("0.2m"), 0.0)


def test_metres_are_true_on_the_ground_in_web_mercator(tmp_path) -> None:
    latitude_60 = Affine(1.0, 0.0, 0.0, 0.0, -1.0, 8399737.889818355)
    path = write_raster(tmp_path / "web.tif", np.zeros((1, 400, 400), np.uint8), crs="EPSG:3857", transform=latitude_60)
    with RasterSource.open(path) as source:
        assert source.pixel_size_m == pytest.approx(0.5, rel=0.005)  # 1 / cos 60°, and a little for the ellipsoid
        assert make_grid(source, parse_tile_size("100m"), 0.0).side == pytest.approx(200, abs=1)


@pytest.mark.parametrize(
    ("pixel", "crs", "side"),
    [
        (0.5, "EPSG:32633", 224),
        (0.3, "EPSG:32633", 224),
        (0.1, "EPSG:32633", 672),
        (0.05, "EPSG:32633", 1344),
        (10.0, "EPSG:32633", 224),
        (0.1, None, 224),
    ],
)
def test_the_side_follows_from_the_ground_resolution(tmp_path, pixel: float, crs: str | None, side: int) -> None:
    north_up = Affine(pixel, 0.0, 500_000.0, 0.0, -pixel, 5_800_000.0)
    path = write_raster(tmp_path / "r.tif", np.zeros((1, 50, 50), np.uint8), transform=north_up, crs=crs)
    with RasterSource.open(path) as source:
        # The scale is 0.9996 at the central meridian: pixels are a little larger on the ground than on the map.
        assert make_grid(source, parse_tile_size("auto"), 0.0).side == pytest.approx(side, abs=1)
        assert source.pixel_size_m is None or source.pixel_size_m * side >= 67.1
