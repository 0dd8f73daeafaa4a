import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp, Resampling

from engine.errors import BandError, UsageError
from engine.raster import stretch as module
from engine.raster.source import RasterSource
from engine.raster.stretch import Stretch, compute_stretch, given_stretch
from tests.support.rasters import large_textured_raster, texture, write_raster


def stretch_of(path: Path, bands=None, **kwargs) -> Stretch:
    with RasterSource.open(path) as source:
        return compute_stretch(source, bands, **kwargs)


def ramp(dtype: str, low: float, high: float, bands: int = 1) -> np.ndarray:
    return np.linspace(low, high, 100 * 101).reshape(1, 100, 101).repeat(bands, axis=0).astype(dtype)


def test_8_bit_colour_is_left_as_it_is(tmp_path) -> None:
    assert stretch_of(write_raster(tmp_path / "rgb.tif", texture(64), photometric="RGB")).is_identity
    assert stretch_of(write_raster(tmp_path / "four.tif", texture(64, bands=4)), (4, 3, 2)).is_identity


def test_palette_is_left_as_it_is(tmp_path) -> None:
    path = write_raster(tmp_path / "p.tif", texture(64, bands=1), palette={0: (1, 2, 3, 255)})
    assert stretch_of(path).is_identity


def test_16_bit_is_stretched_between_percentiles_band_by_band(tmp_path) -> None:
    values = np.concatenate([ramp("uint16", 0, 10000), ramp("uint16", 1000, 2000), ramp("uint16", 50000, 60000)])
    stretch = stretch_of(write_raster(tmp_path / "r.tif", values))
    assert stretch.lo == pytest.approx((200, 1020, 50200), abs=2)
    assert stretch.hi == pytest.approx((9800, 1980, 59800), abs=2)
    assert stretch_of(tmp_path / "r.tif", low=0, high=100).hi == (10000, 2000, 60000)


def test_single_8_bit_band_is_stretched(tmp_path) -> None:
    stretch = stretch_of(write_raster(tmp_path / "r.tif", ramp("uint8", 100, 150)))
    assert (stretch.lo[2], stretch.hi[2]) == pytest.approx((101, 149), abs=1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinite_samples_do_not_count(tmp_path, bad: float) -> None:
    values = ramp("float32", 0.0, 1.0)
    values[0, :50] = bad  # the lower half of the ramp
    stretch = stretch_of(write_raster(tmp_path / "r.tif", values))
    assert (stretch.lo[0], stretch.hi[0]) == pytest.approx((0.51, 0.99), abs=1e-3)


def test_nodata_alpha_and_mask_do_not_count(tmp_path) -> None:
    values = ramp("uint16", 1000, 2000)
    hole = np.zeros(values.shape[1:], bool)
    hole[:50] = True
    expected = (1510, 1990)

    nodata = np.where(hole, 60000, values).astype("uint16")
    with_nodata = stretch_of(write_raster(tmp_path / "n.tif", nodata, nodata=60000))
    assert (with_nodata.lo[0], with_nodata.hi[0]) == pytest.approx(expected, abs=3)

    alpha = np.concatenate([values, np.where(hole, 0, 65535)[None].astype("uint16")])
    path = write_raster(tmp_path / "a.tif", alpha, colours=(ColorInterp.gray, ColorInterp.alpha))
    assert (stretch_of(path).lo[0], stretch_of(path).hi[0]) == pytest.approx(expected, abs=3)

    masked = stretch_of(write_raster(tmp_path / "m.tif", values, mask=~hole))
    assert (masked.lo[0], masked.hi[0]) == pytest.approx(expected, abs=3)


def test_constant_band_becomes_middle_grey(tmp_path) -> None:
    values = np.full((1, 20, 20), 4000, np.uint16)
    stretch = stretch_of(write_raster(tmp_path / "r.tif", values))
    assert np.rint(stretch.apply(values[0], 0)).tolist() == np.full((20, 20), 128).tolist()


def test_almost_constant_band_keeps_its_few_other_values(tmp_path) -> None:
    values = np.zeros((1, 100, 100), np.float32)
    values[0, 0, :10] = 5.0
    stretch = stretch_of(write_raster(tmp_path / "r.tif", values))
    assert (stretch.lo[0], stretch.hi[0]) == (0.0, 5.0)


def test_raster_without_any_valid_pixel_gives_a_usable_stretch(tmp_path) -> None:
    stretch = stretch_of(write_raster(tmp_path / "r.tif", np.full((1, 20, 20), np.nan, np.float32)))
    assert stretch.apply(np.array([np.nan, 0.0]), 0).tolist() == [0.0, 0.0]


def test_apply_clips_and_keeps_small_ranges_far_from_zero_apart() -> None:
    stretch = Stretch((10.0, 10.0, 1e7), (20.0, 20.0, 1e7 + 1))
    assert stretch.apply(np.array([0, 10, 15, 20, 30], np.uint16), 0).tolist() == [0.0, 0.0, 127.5, 255.0, 255.0]
    assert stretch.apply(np.array([1e7, 1e7 + 0.5]), 2).tolist() == [0.0, 127.5]


def test_json_round_trip_is_exact() -> None:
    stretch = Stretch((0.1, 1 / 3, 2.0), (1e10, 7.0, 9.0))
    assert Stretch.from_json(json.loads(json.dumps(stretch.to_json()))) == stretch


def test_missing_band_is_refused(tmp_path) -> None:
    with pytest.raises(BandError, match="no band 7"):
        stretch_of(write_raster(tmp_path / "r.tif", ramp("uint16", 0, 9)), (7,))


def test_overviews_are_read_and_the_full_raster_is_not(tmp_path) -> None:
    path = write_raster(tmp_path / "r.tif", np.full((1, 2048, 2048), 100, np.uint16), tiled=True)
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2], Resampling.nearest)
    with rasterio.open(path, "r+", OVERVIEW_LEVEL=0) as overview:  # what differs shows which was read
        overview.write(ramp("uint16", 5000, 6000).repeat(11, 1).repeat(11, 2)[:, :1024, :1024])
    assert min(stretch_of(path).lo) > 4000


def test_large_raster_without_overviews_is_sampled_in_patches(tmp_path, monkeypatch) -> None:
    path = large_textured_raster(tmp_path, 20_000)
    whole = large_textured_raster(tmp_path, 1000)
    monkeypatch.setattr(module, "_LATTICE", 6)
    large, small = stretch_of(path, (1,)), stretch_of(whole, (1,))
    assert large.lo == pytest.approx(small.lo, abs=5)
    assert large.hi == pytest.approx(small.hi, abs=5)


def given(path: Path, limits: Sequence[tuple[float, float]], bands: tuple[int, ...] | None = None) -> Stretch:
    with RasterSource.open(path) as source:
        return given_stretch(source, bands, limits)


def test_a_given_stretch_is_one_pair_for_all_bands_or_one_for_each(tmp_path) -> None:
    path = write_raster(tmp_path / "r.tif", np.zeros((3, 8, 8), np.uint16))
    assert given(path, [(1, 5)]) == Stretch((1, 1, 1), (5, 5, 5))
    assert given(path, [(1, 5), (2, 6), (3, 7)]) == Stretch((1, 2, 3), (5, 6, 7))
    assert given(path, [(1, 5)] * 3, (2,)) == Stretch((1, 1, 1), (5, 5, 5))
    assert given(path, [(1, 5)], (2, 2, 2)) == Stretch((1, 1, 1), (5, 5, 5))


@pytest.mark.parametrize(
    "limits", [[], [(0, 1), (0, 1)], [(0, 1)] * 4, [(1, 1)], [(2, 1)], [(0, np.nan)], [(0, 1), (0, 1), (-np.inf, 1)]]
)
def test_a_stretch_that_cannot_be_is_wrong_use(tmp_path, limits) -> None:
    path = write_raster(tmp_path / "r.tif", np.zeros((3, 8, 8), np.uint16))
    with pytest.raises(UsageError, match="black and white"):
        given(path, limits)


def test_a_stretch_that_does_not_fit_the_raster_is_wrong_use(tmp_path) -> None:
    path = write_raster(tmp_path / "r.tif", np.zeros((3, 8, 8), np.uint16))
    with pytest.raises(UsageError, match=r"different stretches .*one band of .*r\.tif"):
        given(path, [(1, 5), (1, 5), (1, 6)], (1,))
    paletted = write_raster(tmp_path / "p.tif", texture(64, bands=1), palette={0: (1, 2, 3, 255)})
    with pytest.raises(UsageError, match=r"p\.tif takes its colours from a palette"):
        given(paletted, [(0, 100)])
