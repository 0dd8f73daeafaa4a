from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from engine.config import SearchOptions
from engine.errors import OutputError
from engine.search import picture
from engine.search.hits import SearchResult
from engine.search.ink import Overlay, fit_text, font, series_colour
from engine.search.picture import draw_picture
from engine.search.pipeline import Searcher
from tests.support.colour_model import GROUND, ground
from tests.support.rasters import write_raster

CELLS = [["moss", "moss", "water"], ["moss", "brick", "moss"], ["snow", "moss", "moss"]]


@pytest.fixture
def result(searcher: Searcher, tmp_path: Path) -> SearchResult:
    raster = write_raster(tmp_path / "r.tif", ground(CELLS), photometric="RGB")
    return searcher.search("brick", [raster], SearchOptions(tile="64px", overlap=0.0, refine=1, top=6))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_the_page_shows_the_map_and_a_strip_for_each_query(result: SearchResult, tmp_path: Path) -> None:
    draw_picture([result], tmp_path / "one.png")
    draw_picture([result, result, result], tmp_path / "three.png")
    one, three = pixels(tmp_path / "one.png"), pixels(tmp_path / "three.png")
    assert one.shape[1] == three.shape[1] == picture.WIDTH
    assert three.shape[0] - one.shape[0] == 2 * (picture.STRIP_TITLE + picture.THUMBNAIL + picture.CAPTION)
    # The raster's colours are on the page, and the outlines' colour.
    for colour in (GROUND["water"], GROUND["snow"], series_colour(0)):
        assert (np.abs(one.astype(int) - colour).max(2) <= 3).any(), colour
    assert (np.abs(three.astype(int) - series_colour(2)).max(2) <= 3).any()


def test_the_best_hit_is_outlined_where_it_lies(result: SearchResult, tmp_path: Path) -> None:
    draw_picture([result], tmp_path / "map.png")
    page = pixels(tmp_path / "map.png").astype(int)
    side = picture.MAP_HEIGHT  # the raster is square: its map is as wide as it is high
    left = (picture.WIDTH - side) // 2
    tile = result.hits[0].tile
    assert (tile.row, tile.col) == (1, 1)
    x = left + round(tile.x / 192 * side)
    y = picture.HEADER + round((tile.y + 40) / 192 * side)
    assert np.abs(page[y, x - 2 : x + 3] - series_colour(0)).max(1).min() <= 40


def test_an_existing_picture_is_only_replaced_when_told_to(result: SearchResult, tmp_path: Path) -> None:
    (tmp_path / "map.png").write_text("precious")
    with pytest.raises(OutputError, match="--overwrite"):
        draw_picture([result], tmp_path / "map.png")
    assert (tmp_path / "map.png").read_text() == "precious"
    draw_picture([result], tmp_path / "map.png", overwrite=True)
    assert pixels(tmp_path / "map.png").shape[2] == 3


def test_rasters_without_crs_or_with_few_hits_are_drawn(searcher: Searcher, tmp_path: Path) -> None:
    raster = write_raster(
        tmp_path / "tiny.tif", ground([["sand", "water"]], 10), crs=None, transform=None, photometric="RGB"
    )
    result = searcher.search("sand", [raster], SearchOptions())
    draw_picture([result], tmp_path / "map.jpg", note="a note")
    assert pixels(tmp_path / "map.jpg").shape[1] == picture.WIDTH


def test_a_rotated_raster_is_drawn(searcher: Searcher, tmp_path: Path) -> None:
    transform = Affine.translation(4e5, 5.8e6) @ Affine.rotation(20) @ Affine.scale(1, -1)
    raster = write_raster(tmp_path / "rotated.tif", ground(CELLS), transform=transform, photometric="RGB")
    draw_picture([searcher.search("water", [raster], SearchOptions(tile="64px"))], tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 1000


def test_long_text_is_cut_to_its_place() -> None:
    face = font(20)
    text = fit_text("a very long query about many things that are to be found " * 3, face, 300)
    assert text.endswith("…")
    assert face.getlength(text) <= 300
    assert fit_text("short", face, 300) == "short"


def test_an_empty_overlay_changes_nothing() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    np.testing.assert_array_equal(np.asarray(Overlay(30, 20).onto(image)), np.asarray(image))
