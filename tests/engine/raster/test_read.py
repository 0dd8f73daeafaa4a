import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.env import get_gdal_config
from rasterio.shutil import copy as copy_raster

from engine.errors import BandError, RasterError
from engine.raster.grid import Grid
from engine.raster.read import TileReader, content_size
from engine.raster.source import RasterSource
from engine.raster.stretch import Stretch
from engine.types import Tile
from tests.support.rasters import make_repeating_vrt, texture, write_raster


def tile(side: int, x: int = 0, y: int = 0, height: int | None = None) -> Tile:
    return Tile(0, 0, x, y, side, height or side)


def block_means(values: np.ndarray, factor: int) -> np.ndarray:
    """(k, H, W) to uint8 (H / factor, W / factor, k)."""
    k, height, width = values.shape
    means = values.reshape(k, height // factor, factor, width // factor, factor).mean((2, 4))
    return np.rint(means).astype(np.uint8).transpose(1, 2, 0)


def test_8_bit_colour_at_full_resolution_is_read_exactly(tmp_path) -> None:
    values = texture(96)
    reader = TileReader(write_raster(tmp_path / "r.tif", values, photometric="RGB"), None, None, 32)
    image = reader.read(tile(32, x=40, y=17))
    assert image.rgb.dtype == np.uint8
    assert np.array_equal(image.rgb, values[:, 17:49, 40:72].transpose(1, 2, 0))
    assert image.valid_fraction == 1.0


def test_decimation_averages(tmp_path) -> None:
    values = texture(96)
    reader = TileReader(write_raster(tmp_path / "r.tif", values, photometric="RGB"), None, None, 24)
    difference = reader.read(tile(96)).rgb.astype(int) - block_means(values, 4)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("factor", [2, 4])
def test_masked_rasters_are_averaged_alike(tmp_path, factor: int) -> None:
    values = texture(96)
    side = 96 // factor
    mask = np.ones((96, 96), bool)
    for name, hole in (("whole.tif", 0), ("holed.tif", factor)):
        mask[:hole, :hole] = False
        path = write_raster(tmp_path / name, values, photometric="RGB", mask=mask)
        difference = TileReader(path, None, None, side).read(tile(96)).rgb.astype(int) - block_means(values, factor)
        assert np.abs(difference).reshape(-1, 3)[1:].max() <= 1


def test_overviews_are_used(tmp_path) -> None:
    path = write_raster(tmp_path / "r.tif", np.zeros((3, 512, 512), np.uint8), tiled=True, photometric="RGB")
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4], Resampling.nearest)
    with rasterio.open(path, "r+", OVERVIEW_LEVEL=1) as overview:
        overview.write(np.full((3, 128, 128), 77, np.uint8))
    assert (TileReader(path, None, None, 128).read(tile(512)).rgb == 77).all()


def test_small_tiles_are_enlarged(tmp_path) -> None:
    values = np.zeros((3, 16, 16), np.uint8)
    values[:, :, 8:] = 200
    for name, extra in (("plain.tif", {}), ("holed.tif", {"mask": np.arange(256).reshape(16, 16) > 0})):
        rgb = TileReader(write_raster(tmp_path / name, values, **extra), None, None, 64).read(tile(16)).rgb
        assert rgb.shape == (64, 64, 3)
        assert (rgb[:, 0] == 0).all()
        assert (rgb[:, -1] == 200).all()
        assert 0 < rgb[32, 31, 0] < rgb[32, 32, 0] < 200


def test_16_bit_is_stretched(tmp_path) -> None:
    values = np.tile(np.linspace(2000, 4000, 64).astype(np.uint16), (3, 64, 1))
    path = write_raster(tmp_path / "r.tif", values)
    rgb = TileReader(path, None, Stretch((2000.0,) * 3, (4000.0,) * 3), 64).read(tile(64)).rgb
    assert np.array_equal(rgb[0, :, 0], np.rint((values[0, 0] - 2000.0) * 255 / 2000))
    computed = TileReader(path, None, None, 64).read(tile(64)).rgb
    assert (computed.min(), computed.max()) == (0, 255)


def test_signed_and_complex_types_are_read(tmp_path) -> None:
    signed = np.tile(np.linspace(-3000, -1000, 32).astype(np.int16), (1, 32, 1))
    rgb = TileReader(write_raster(tmp_path / "i.tif", signed), None, None, 32).read(tile(32)).rgb
    assert (rgb[0, 0, 0], rgb[0, -1, 0]) == (0, 255)
    waves = np.tile(np.linspace(0, 10, 32), (1, 32, 1)) * np.exp(1j)
    rgb = TileReader(write_raster(tmp_path / "c.tif", waves.astype(np.complex64)), None, None, 32).read(tile(32)).rgb
    assert (rgb[0, 0, 0], rgb[0, -1, 0]) == (0, 255)
    assert (np.diff(rgb[0, :, 0].astype(int)) >= 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_black_and_does_not_spread(tmp_path, bad: float) -> None:
    values = np.full((3, 64, 64), 0.5, np.float32)
    values[:, :, :21] = bad  # ends inside an output pixel
    path = write_raster(tmp_path / "f.tif", values)
    image = TileReader(path, None, Stretch((0.0,) * 3, (1.0,) * 3), 16).read(tile(64))
    assert (image.rgb[:, :5] == 0).all()
    assert (image.rgb[:, 5:] == 128).all()
    assert image.valid_fraction == pytest.approx(43 / 64)


@pytest.mark.parametrize("kind", ["nodata", "alpha", "mask"])
@pytest.mark.parametrize("out_size", [64, 16, 128])
def test_holes_are_black_and_do_not_darken_their_neighbours(tmp_path, kind: str, out_size: int) -> None:
    hole = np.zeros((64, 64), bool)
    hole[10:33, 5:31] = True
    values = np.full((3, 64, 64), 180, np.uint8)
    values[:, hole] = 3
    path = tmp_path / "r.tif"
    if kind == "nodata":
        write_raster(path, values, nodata=3)
    elif kind == "mask":
        write_raster(path, values, mask=~hole)
    else:
        rgba = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
        write_raster(path, np.concatenate([values, np.where(hole, 0, 255)[None].astype(np.uint8)]), colours=rgba)
    image = TileReader(path, None, None, out_size).read(tile(64))
    assert set(np.unique(image.rgb)) == {0, 180}
    assert image.valid_fraction == pytest.approx(1 - hole.mean(), abs=1e-3)


def test_nodata_value_in_one_band_alone_is_a_colour(tmp_path) -> None:
    values = np.full((3, 32, 32), 100, np.uint8)
    values[0] = 255
    image = TileReader(write_raster(tmp_path / "r.tif", values, nodata=255), None, None, 32).read(tile(32))
    assert image.rgb[3, 3].tolist() == [255, 100, 100]
    assert image.valid_fraction == 1.0


def test_palette_is_expanded_before_averaging(tmp_path) -> None:
    indices = np.zeros((1, 64, 64), np.uint8)
    indices[0, :, ::2] = 9  # an index between the two, 4 or 5, would be green
    palette = {0: (200, 0, 0, 255), 4: (0, 255, 0, 255), 5: (0, 255, 0, 255), 9: (0, 0, 100, 255)}
    path = write_raster(tmp_path / "p.tif", indices, palette=palette)
    full = TileReader(path, None, None, 64).read(tile(64)).rgb
    assert (full[0, 0].tolist(), full[0, 1].tolist()) == ([0, 0, 100], [200, 0, 0])
    assert (TileReader(path, None, None, 32).read(tile(64)).rgb == [100, 0, 50]).all()


@pytest.mark.parametrize("kind", ["transparent", "nodata"])
def test_transparent_and_nodata_palette_entries_are_holes(tmp_path, kind: str) -> None:
    indices = np.ones((1, 32, 32), np.uint8)
    indices[0, :16] = 0
    if kind == "nodata":
        path = write_raster(tmp_path / "p.tif", indices, palette={0: (9, 9, 9, 255), 1: (50, 60, 70, 255)}, nodata=0)
    else:
        # A TIFF's colour table has no alpha, and GDAL makes a PNG's only transparent entry its nodata value.
        palette = {0: (9, 9, 9, 0), 1: (50, 60, 70, 255), 2: (8, 8, 8, 0)}
        path = write_raster(tmp_path / "p.png", indices, palette=palette, driver="PNG", crs=None, transform=None)
        with RasterSource.open(path) as source:
            assert source.dataset.nodata is None
    image = TileReader(path, None, None, 16).read(tile(32))
    assert image.valid_fraction == 0.5
    assert (image.rgb[:8] == 0).all()
    assert (image.rgb[8:] == [50, 60, 70]).all()


@pytest.mark.parametrize("count", [1, 2])
def test_one_and_two_bands_are_shown_grey(tmp_path, count: int) -> None:
    path = write_raster(tmp_path / "r.tif", texture(32, bands=count))
    rgb = TileReader(path, None, None, 32).read(tile(32)).rgb
    assert rgb.shape == (32, 32, 3)
    assert np.array_equal(rgb[..., 0], rgb[..., 1])
    assert np.array_equal(rgb[..., 0], rgb[..., 2])
    assert rgb.std() > 20


def test_bands_are_read_in_the_order_given(tmp_path) -> None:
    values = texture(32, bands=4)
    path = write_raster(tmp_path / "r.tif", values)
    rgb = TileReader(path, (4, 3, 2), Stretch.identity(), 32).read(tile(32)).rgb
    assert np.array_equal(rgb, values[[3, 2, 1]].transpose(1, 2, 0))
    with pytest.raises(BandError, match="no band 5"):
        TileReader(path, (5, 3, 2), None, 32)


@pytest.mark.parametrize(
    ("driver", "options"), [("COG", {}), ("JP2OpenJPEG", {"QUALITY": "100", "REVERSIBLE": "YES"})], ids=["cog", "jp2"]
)
def test_cog_and_jpeg_2000(tmp_path, driver: str, options: dict[str, str]) -> None:
    values = texture(700)
    plain = write_raster(tmp_path / "plain.tif", values, photometric="RGB")
    path = tmp_path / ("r.jp2" if driver.startswith("JP2") else "r.tif")
    copy_raster(plain, path, driver=driver, **options)
    with rasterio.open(path) as dataset:
        assert dataset.driver in ("GTiff", "JP2OpenJPEG")
        assert dataset.overviews(1)
    reader = TileReader(path, None, None, 64)
    assert np.array_equal(reader.read(tile(64, 600, 300)).rgb, values[:, 300:364, 600:664].transpose(1, 2, 0))
    reduced = reader.read(tile(640)).rgb.astype(int) - block_means(values[:, :640, :640], 10)
    assert np.abs(reduced).mean() < 12  # overviews have filters of their own


def test_tile_cut_by_a_small_raster_keeps_its_aspect(tmp_path) -> None:
    values = np.full((3, 50, 100), 90, np.uint8)
    path = write_raster(tmp_path / "small.tif", values)
    (only,) = Grid(100, 50, 224, 0.0)
    image = TileReader(path, None, None, 64).read(only)
    assert content_size(only, 64) == (32, 64)
    assert (image.rgb[:32] == 90).all()
    assert (image.rgb[32:] == 0).all()
    assert image.valid_fraction == 1.0  # padding is nobody's missing data


def test_one_pixel_wide_raster(tmp_path) -> None:
    path = write_raster(tmp_path / "line.tif", np.full((1, 1, 3000), 7, np.uint8))
    grid = Grid(3000, 1, 224, 0.0)
    image = TileReader(path, None, Stretch.identity(), 64).read(grid[0])
    assert image.rgb.shape == (64, 64, 3)
    assert (image.rgb[0] == 7).all()


def test_windows_of_any_shape(tmp_path) -> None:
    values = texture(64)
    reader = TileReader(write_raster(tmp_path / "r.tif", values, photometric="RGB"), None, None, 32)
    image = reader.read_window(3, 5, 20, 10, 10, 20)
    assert np.array_equal(image.rgb, values[:, 5:15, 3:23].transpose(1, 2, 0))
    assert reader.read_window(0, 0, 64, 32, 8, 40).rgb.shape == (8, 40, 3)
    with pytest.raises(ValueError, match="window"):
        reader.read_window(60, 0, 5, 5, 5, 5)
    with pytest.raises(ValueError, match="window"):
        reader.read_window(0, 0, 0, 5, 5, 5)


def test_damaged_pixels_are_an_error_with_the_place(tmp_path) -> None:
    path = write_raster(tmp_path / "r.tif", texture(512), compress="deflate", tiled=True, photometric="RGB")
    path.write_bytes(path.read_bytes()[:200_000])
    reader = TileReader(path, None, None, 64)
    with pytest.raises(RasterError, match=r"r\.tif cannot be read at column 448, row 448: .*damaged or incomplete"):
        reader.read(tile(64, 448, 448))


def test_vrt_with_a_missing_source_is_an_error(tmp_path) -> None:
    block = write_raster(tmp_path / "block.tif", texture(32), photometric="RGB")
    vrt = make_repeating_vrt(tmp_path / "r.vrt", block, 2, 2)
    block.unlink()
    with pytest.raises(RasterError, match=r"r\.vrt cannot be read"):
        TileReader(vrt, None, None, 32).read(tile(32))


def test_threads_read_what_one_thread_reads_each_with_its_own_handle(tmp_path) -> None:
    path = write_raster(tmp_path / "r.tif", texture(256), compress="deflate", photometric="RGB")
    grid = list(Grid(256, 256, 64, 0.5)) * 4
    with TileReader(path, None, None, 32) as reader:
        handles = set()

        def read(one: Tile) -> bytes:
            rgb = reader.read(one).rgb.tobytes()
            handles.add((threading.get_ident(), id(reader._dataset())))
            return rgb

        expected = [reader.read(one).rgb.tobytes() for one in grid]
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(read, grid)) == expected
        assert len({handle for _, handle in handles}) == len(handles)


def test_handles_end_with_their_threads_and_with_the_reader(tmp_path) -> None:
    path = write_raster(tmp_path / "r.tif", texture(64), photometric="RGB")
    reader = TileReader(path, None, None, 32)
    reader.read(tile(64))
    thread = threading.Thread(target=lambda: reader.read(tile(64)))
    thread.start()
    thread.join()
    assert len(reader._handles) == 1
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.read(tile(64))


def test_cache_of_gdal_is_bounded(tmp_path) -> None:
    with TileReader(write_raster(tmp_path / "r.tif", texture(64)), None, None, 32) as reader:
        reader.read(tile(64))
    assert get_gdal_config("GDAL_CACHEMAX") == 128 * 2**20


def test_names_with_spaces_and_other_letters(tmp_path) -> None:
    folder = tmp_path / "Überflug 2026 Ærø"
    folder.mkdir()
    path: Path = write_raster(folder / "東京 mosaic.tif", texture(32), photometric="RGB")
    assert TileReader(path, None, None, 32).read(tile(32)).valid_fraction == 1.0
