import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from engine.errors import BandError
from engine.raster.bands import BandChoice, choose_bands, parse_bands
from tests.support.rasters import write_raster

C = ColorInterp


def chosen(path, bands=None) -> BandChoice:
    with rasterio.open(path) as dataset:
        return choose_bands(dataset, bands)


def raster(path, colours):
    return write_raster(path, np.zeros((len(colours), 8, 8), np.uint8), colours=tuple(colours))


@pytest.mark.parametrize(
    ("colours", "indexes"),
    [
        ([C.red, C.green, C.blue], (1, 2, 3)),
        ([C.blue, C.green, C.red, C.undefined], (3, 2, 1)),
        ([C.red, C.green, C.blue, C.alpha], (1, 2, 3)),
        ([C.gray], (1, 1, 1)),
        ([C.gray, C.alpha], (1, 1, 1)),
        ([C.gray, C.undefined], (1, 1, 1)),
        ([C.undefined, C.undefined, C.undefined, C.undefined], (1, 2, 3)),
        ([C.gray, C.undefined, C.undefined, C.alpha], (1, 2, 3)),
        ([C.red, C.undefined, C.undefined], (1, 2, 3)),
    ],
)
def test_bands_are_chosen_by_colour_interpretation(tmp_path, colours, indexes) -> None:
    assert chosen(raster(tmp_path / "r.tif", colours)) == BandChoice(indexes)


def test_leading_alpha_is_passed_over(tmp_path) -> None:
    assert chosen(raster(tmp_path / "r.tif", [C.alpha, C.undefined, C.undefined, C.undefined])).indexes == (2, 3, 4)


def test_palette_is_recognised(tmp_path) -> None:
    path = write_raster(tmp_path / "p.tif", np.zeros((1, 8, 8), np.uint8), palette={0: (1, 2, 3, 255)})
    assert chosen(path) == BandChoice((1, 1, 1), palette=True)
    assert chosen(path, (1,)) == BandChoice((1, 1, 1), palette=True)


def test_given_bands_win(tmp_path) -> None:
    path = raster(tmp_path / "r.tif", [C.red, C.green, C.blue, C.undefined])
    assert chosen(path, (4, 3, 2)) == BandChoice((4, 3, 2))
    assert chosen(path, (4,)) == BandChoice((4, 4, 4))
    assert chosen(path, (4,)).distinct == (4,)


def test_missing_band_is_named_with_those_there_are(tmp_path) -> None:
    path = raster(tmp_path / "r.tif", [C.red, C.green, C.blue])
    with pytest.raises(BandError, match=r"r\.tif has no band 4\. Its bands are 1 to 3\."):
        chosen(path, (4, 3, 2))
    with pytest.raises(BandError, match="no band 0"):
        chosen(path, (0,))
    with pytest.raises(BandError, match="one or three"):
        chosen(path, (1, 2))


@pytest.mark.parametrize(("text", "bands"), [("4,3,2", (4, 3, 2)), (" 4, 3 ,2", (4, 3, 2)), ("1", (1,))])
def test_band_numbers_are_parsed(text: str, bands: tuple[int, ...]) -> None:
    assert parse_bands(text) == bands


@pytest.mark.parametrize("text", ["", "1,2", "1,2,3,4", "a", "1,,3", "-1", "1.5", "4;3;2"])
def test_other_band_texts_are_refused(text: str) -> None:
    with pytest.raises(BandError, match=r"such as 4,3,2"):
        parse_bands(text)
