"""Searches of a part of the rasters, and what a hit's percentile refers to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from engine.config import SearchOptions
from engine.errors import BandError, RasterError, UsageError
from engine.search.hits import SearchResult
from engine.search.pipeline import Searcher
from engine.search.rasters import check_rasters
from tests.support.colour_model import ColourModel, ground
from tests.support.rasters import write_raster

CELLS = [
    ["moss", "moss", "water", "sand"],
    ["moss", "brick", "water", "sand"],
    ["snow", "snow", "asphalt", "moss"],
]
LEFT = "POLYGON ((400000 5799904, 400000 5800000, 400064 5800000, 400064 5799904, 400000 5799904))"  # columns 0 and 1
TOP = "POLYGON ((400000 5799968, 400000 5800000, 400128 5800000, 400128 5799968, 400000 5799968))"  # row 0
FAR = Affine(0.5, 0.0, 500_000.0, 0.0, -0.5, 5_800_000.0)


def options(**values: object) -> SearchOptions:
    return SearchOptions.checked(**{"tile": "64px", "overlap": 0.0, "segmenter": "none", **values})


def places(result: SearchResult) -> list[tuple[int, int]]:
    return [(hit.tile.row, hit.tile.col) for hit in result.hits]


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "cells.tif", ground(CELLS), photometric="RGB")


def test_a_percentile_is_the_share_of_tiles_that_score_less(searcher: Searcher, raster: Path) -> None:
    result = searcher.search("water", [raster], options(top=3))
    assert [hit.percentile for hit in result.hits] == pytest.approx([100 * 10 / 12, 100 * 10 / 12, 0.0])
    (best,) = result.outcomes
    assert (best.tiles, best.best_score, best.best_percentile) == (
        12, result.hits[0].score_global, result.hits[0].percentile,
    )  # fmt: skip


def test_percentiles_are_over_all_rasters_and_without_tiles_that_lack_data(
    searcher: Searcher, raster: Path, tmp_path: Path
) -> None:
    values = ground([["water", "sand", "moss"]])
    values[:, :, 128:] = 0
    other = write_raster(tmp_path / "other.tif", values, transform=FAR, nodata=0, photometric="RGB")
    result = searcher.search("water", [raster, other], options(top=1))
    assert result.hits[0].percentile == pytest.approx(100 * 11 / 14)
    assert [outcome.tiles for outcome in result.outcomes] == [12, 3]
    assert [outcome.best_percentile for outcome in result.outcomes] == pytest.approx([100 * 11 / 14] * 2)


def test_refined_hits_keep_their_percentile(searcher: Searcher, raster: Path) -> None:
    plain = searcher.search("water", [raster], options(top=2, refine=2))
    refined = searcher.search("water", [raster], options(top=2, refine=2, segmenter="relevance", score="fused"))
    assert {hit.percentile for hit in refined.hits} == {hit.percentile for hit in plain.hits}


def test_tiles_below_the_least_score_are_no_hits(searcher: Searcher, raster: Path) -> None:
    assert places(searcher.search("water", [raster], options(min_score=0.5))) == [(0, 2), (1, 2)]
    assert places(searcher.search("water", [raster], options(min_score=1.1))) == []
    with pytest.raises(UsageError, match="min_score"):
        options(min_score=float("nan"))


def test_only_the_area_is_encoded_and_searched(searcher: Searcher, raster: Path, model: ColourModel) -> None:
    result = searcher.search("moss", [raster], options(area={"wkt": LEFT}))
    assert model.encoded == 6
    assert {column for _, column in places(result)} == {0, 1}
    assert (result.counts.tiles, result.counts.encoded, result.counts.reused) == (6, 6, 0)
    assert result.hits[0].percentile == pytest.approx(50.0)
    top = searcher.search("moss", [raster], options(area={"wkt": TOP, "crs": "EPSG:32633"}))
    assert model.encoded == 8
    assert (top.counts.tiles, top.counts.encoded, top.counts.reused) == (4, 2, 2)
    assert sorted(places(top)) == [(0, 0), (0, 1), (0, 2), (0, 3)]
    whole = searcher.search("moss", [raster], options())
    assert (whole.counts.encoded, whole.counts.reused) == (4, 8)
    again = searcher.search("moss", [raster], options(area={"wkt": LEFT}))
    assert model.encoded == 12
    assert again.hits == result.hits


def test_hits_of_an_area_are_outlined_like_others(searcher: Searcher, raster: Path) -> None:
    refined = options(area={"wkt": TOP}, segmenter="relevance", refine=1, top=1)
    (hit,) = searcher.search("water", [raster], refined).hits
    assert (hit.tile.row, hit.tile.col, hit.refined) == (0, 2, True)
    assert {region.keyword for region in hit.subregions} == {"water"}


def test_rasters_that_the_area_does_not_meet_are_not_searched(
    searcher: Searcher, raster: Path, tmp_path: Path, model: ColourModel
) -> None:
    other = write_raster(tmp_path / "other.tif", ground([["water"]]), transform=FAR, photometric="RGB")
    result = searcher.search("water", [other, raster], options(area={"wkt": TOP, "crs": "EPSG:32633"}))
    assert result.rasters == (str(raster),)
    assert {hit.raster for hit in result.hits} == {0}
    assert model.encoded == 4
    assert len(searcher.folder.entries()) == 1


def test_an_area_that_misses_all_rasters_is_told_before_any_work(
    searcher: Searcher, raster: Path, model: ColourModel
) -> None:
    nowhere = options(area={"wkt": "POLYGON ((0 0, 1 0, 1 1, 0 0))", "crs": "EPSG:4326"})
    with pytest.raises(UsageError, match=r"area lies outside .*cells\.tif\. Choose an area that meets a raster"):
        searcher.search("water", [raster], nowhere)
    assert model.encoded == 0
    assert searcher.folder.entries() == []


@pytest.mark.parametrize(
    ("values", "error", "problem"),
    [
        ({"area": {"wkt": "somewhere"}}, UsageError, "no well-known text"),
        ({"area": {"wkt": LEFT, "crs": "EPSG:99999999"}}, UsageError, "EPSG:99999999"),
        ({"area": {"wkt": "POLYGON ((0 0, 1 0, 1 1, 0 0))"}}, UsageError, "outside"),
        ({"crs": "nonsense"}, UsageError, "nonsense"),
        ({"bands": (1, 2, 9)}, BandError, "band 9"),
        ({"stretch": ((3.0, 1.0),)}, UsageError, "the lesser first"),
        ({"stretch": ((0.0, 1.0), (0.0, 1.0))}, UsageError, "one pair, or one for each"),
        ({"tile": "12 apples"}, UsageError, "apples"),
    ],
)
def test_what_does_not_fit_is_told_before_a_model_is_loaded(
    raster: Path, values: dict[str, object], error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        check_rasters([raster], options(**values))


def test_a_search_that_fits_passes_the_check(raster: Path) -> None:
    check_rasters([raster], options(area={"wkt": TOP}, stretch=((0, 255),), crs="EPSG:3857"))
    with pytest.raises(RasterError, match=r"nowhere\.tif"):
        check_rasters([raster, raster.parent / "nowhere.tif"], options())


def test_hits_are_refined_with_the_given_stretch(searcher: Searcher, tmp_path: Path) -> None:
    values = ground(CELLS).astype(np.uint16) * 10 + 1000
    values[:, 0, 0] = 60_000  # percentiles would be other ones
    raster = write_raster(tmp_path / "deep.tif", values, photometric="RGB")
    shown = options(stretch=((1000, 3550),) * 3, segmenter="relevance", refine=2, top=2)
    result = searcher.search("water", [raster], shown)
    assert set(places(result)) == {(0, 2), (1, 2)}
    assert [hit.score_global for hit in result.hits] == pytest.approx([1.0, 1.0], abs=1e-3)
    assert all(hit.subregions for hit in result.hits)
