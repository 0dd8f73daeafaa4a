from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from affine import Affine
from torch import Tensor

from engine.config import SearchOptions
from engine.errors import Cancelled, RasterError, UsageError
from engine.index.folder import IndexFolder
from engine.models.contract import ScoreMode
from engine.search.hits import Hit, SearchResult
from engine.search.pipeline import Searcher
from engine.search.report import report
from engine.segment.contract import Segment
from engine.text.local import LocalKeywordExtractor
from engine.types import UInt8Array
from tests.support.colour_model import ColourModel, ground
from tests.support.rasters import write_raster

CELLS = [
    ["moss", "moss", "water", "sand"],
    ["moss", "brick", "water", "sand"],
    ["snow", "snow", "asphalt", "moss"],
]
WHOLE = {"tile": "64px", "overlap": 0.0}


def options(**values: object) -> SearchOptions:
    return SearchOptions.checked(**{**WHOLE, **values})


def places(result: SearchResult) -> list[tuple[int, int]]:
    return [(hit.tile.row, hit.tile.col) for hit in result.hits]


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "cells.tif", ground(CELLS), photometric="RGB")


def test_the_tiles_that_show_the_query_come_first(searcher: Searcher, raster: Path) -> None:
    result = searcher.search("water", [raster], options(top=2, segmenter="none"))
    assert places(result) == [(0, 2), (1, 2)]
    assert [hit.rank for hit in result.hits] == [1, 2]
    assert [hit.score for hit in result.hits] == pytest.approx([1.0, 1.0], abs=1e-3)
    assert result.keywords.positives == ("water",)


def test_what_the_model_takes_unknown_words_for_is_part_of_the_result(
    searcher: Searcher, raster: Path, model: ColourModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {"creek": ("water",), "dune": ("sand",), "lawn": ("moss",)}
    monkeypatch.setattr(model, "words_read_as", lambda text: {w: table[w] for w in table if w in text}, raising=False)
    result = searcher.search("water or a creek -dune", [raster], options(segmenter="none"))
    assert result.words_read_as == {"creek": ("water",), "dune": ("sand",)}
    assert report(result)["words_read_as"] == {"creek": ["water"], "dune": ["sand"]}
    assert report(searcher.search("water", [raster], options(segmenter="none")))["words_read_as"] == {}


def test_a_second_query_encodes_no_tile(searcher: Searcher, raster: Path, model: ColourModel) -> None:
    first = searcher.search("water", [raster], options(segmenter="none"))
    before = model.encoded
    second = searcher.search("sand", [raster], options(segmenter="none"))
    assert model.encoded == before
    assert (first.counts.encoded, first.counts.reused) == (12, 0)
    assert (second.counts.encoded, second.counts.reused) == (0, 12)


def test_negatives_lower_the_score(searcher: Searcher, tmp_path: Path) -> None:
    values = ground([["water", "water", "water", "snow"]] * 2, 32)
    raster = write_raster(tmp_path / "mixed.tif", values, photometric="RGB")
    plain = searcher.search("water", [raster], options(segmenter="none", nms=1.0))
    without = searcher.search("water -snow", [raster], options(segmenter="none", nms=1.0))
    assert without.keywords.negatives == ("snow",)
    scores = {hit.tile.col: hit.score for hit in without.hits}
    assert scores[0] == pytest.approx(1.0, abs=1e-3)
    # Half water, half snow: cosines of 1/√2 each, and half of the negative is taken off.
    assert scores[1] == pytest.approx(0.5 * 2**-0.5, abs=1e-3)
    assert {hit.tile.col: hit.score for hit in plain.hits}[1] == pytest.approx(2**-0.5, abs=1e-3)


class Crowded(ColourModel):
    """Takes every word that it does not know for a little of everything."""

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        known = super().encode_texts(texts)
        return torch.where(known.any(1, keepdim=True), known, torch.full_like(known, self.embed_dim**-0.5))


def test_short_queries_are_scored_less_what_tiles_have_with_everything(raster: Path, tmp_path: Path) -> None:
    model = Crowded()
    searcher = Searcher(model, LocalKeywordExtractor(), None, IndexFolder(tmp_path / "cache"))
    everything = model.embed_dim**-0.5  # a tile of one colour with any of the words for what imagery shows at large
    short = searcher.search("water -snow", [raster], options(segmenter="none", min_score=0.0))
    assert [hit.score_global for hit in short.hits] == pytest.approx([1 - everything] * 2, abs=1e-3)
    sentence = searcher.search("water beside some more water", [raster], options(segmenter="none", top=1))
    assert sentence.hits[0].score_global == pytest.approx(1.0, abs=1e-3)


def test_neighbours_of_one_place_do_not_fill_the_list(searcher: Searcher, raster: Path) -> None:
    loose = searcher.search("brick", [raster], options(overlap=0.75, segmenter="none", nms=1.0, top=5))
    strict = searcher.search("brick", [raster], options(overlap=0.75, segmenter="none", top=5))
    brick = {(hit.tile.x, hit.tile.y) for hit in loose.hits}
    assert all(abs(x - 64) < 64 and abs(y - 64) < 64 for x, y in brick)
    assert (strict.hits[0].tile.x, strict.hits[0].tile.y) == (64, 64)
    for n, a in enumerate(strict.hits):
        for b in strict.hits[n + 1 :]:
            dx, dy = abs(a.tile.x - b.tile.x), abs(a.tile.y - b.tile.y)
            shared = max(0, 64 - dx) * max(0, 64 - dy)
            assert shared / (2 * 64**2 - shared) <= 0.3


def test_refined_hits_are_outlined_and_stand_before_the_others(searcher: Searcher, raster: Path) -> None:
    half = options(tile="128px", overlap=0.5, refine=2, nms=1.0, top=6)
    shortlists: list[list[Hit]] = []
    refined: list[Hit] = []
    result = searcher.search(
        "water", [raster], half, on_shortlist=lambda hits: shortlists.append(list(hits)), on_hit=refined.append
    )
    assert len(shortlists) == 1
    assert [hit.refined for hit in shortlists[0]] == [False] * 6
    assert [hit.rank for hit in refined] == [1, 2]
    assert [hit.refined for hit in result.hits] == [True, True, False, False, False, False]
    assert [hit.rank for hit in result.hits] == [1, 2, 3, 4, 5, 6]
    rest = [hit.score for hit in result.hits[2:]]
    assert rest == sorted(rest, reverse=True)
    assert [(h.tile.row, h.tile.col) for h in shortlists[0][2:]] == places(result)[2:]
    for hit in result.hits[:2]:
        assert {region.keyword for region in hit.subregions} == {"water"}
        inside = (hit.tile.x, hit.tile.y, hit.tile.x + 128, hit.tile.y + 128)
        for region in hit.subregions:
            x0, y0, x1, y1 = region.polygon.bounds
            assert inside[0] <= x0
            assert inside[1] <= y0
            assert x1 <= inside[2]
            assert y1 <= inside[3]


def test_subregions_lie_where_the_keyword_is(searcher: Searcher, raster: Path) -> None:
    result = searcher.search("brick", [raster], options(tile="192px", overlap=0.0, refine=1, top=1))
    outlined = [region.polygon for region in result.hits[0].subregions]
    true_area = 64 * 64
    assert sum(polygon.area for polygon in outlined) == pytest.approx(true_area, rel=0.35)
    centroid = outlined[0].centroid
    assert (centroid.x, centroid.y) == pytest.approx((96, 96), abs=8)


class LeftHalf:
    """A segmenter that outlines the left half of a tile, whatever the keyword."""

    identity = "left-half"

    def segment(self, tiles: Sequence[UInt8Array], keywords: Sequence[Sequence[str]]) -> list[list[Segment]]:
        masks = [np.arange(tile.shape[1])[None] < np.full(tile.shape[:2], tile.shape[1] // 2) for tile in tiles]
        return [[Segment(word, mask, 0.5) for word in words] for mask, words in zip(masks, keywords, strict=True)]


def test_the_fused_score_is_that_of_the_paper(model: ColourModel, tmp_path: Path) -> None:
    """normalise(0.5 (global + normalised mean of the regions)) · text."""
    raster = write_raster(tmp_path / "pair.tif", ground([["water", "sand"]] * 2, 32), photometric="RGB")
    searcher = Searcher(model, LocalKeywordExtractor(), LeftHalf(), IndexFolder(tmp_path / "cache"))
    (hit,) = searcher.search("water", [raster], options(score="fused")).hits
    # Tile: (water + sand) / √2. Subimage, black (asphalt) outside its mask: (water + asphalt) / √2.
    assert hit.score_global == pytest.approx(0.5**0.5, abs=1e-3)
    assert hit.score_regions == pytest.approx(0.5**0.5, abs=1e-6)
    assert hit.score == pytest.approx((2 / 3) ** 0.5, abs=1e-3)
    assert [region.polygon.bounds for region in hit.subregions] == [(0, 0, 32, 64)]


def test_global_mode_outlines_hits_and_leaves_their_order(searcher: Searcher, raster: Path) -> None:
    plain = searcher.search("water", [raster], options(tile="128px", segmenter="none", nms=1.0))
    result = searcher.search("water", [raster], options(tile="128px", refine=4, score="global", nms=1.0))
    assert result.mode is ScoreMode.GLOBAL
    assert places(result) == places(plain)
    assert [hit.score for hit in result.hits] == [hit.score for hit in plain.hits]
    assert result.hits[0].subregions
    assert result.hits[0].score_regions is not None


def test_the_models_own_mode_is_the_default(model: ColourModel, searcher: Searcher, raster: Path) -> None:
    half = {"tile": "128px", "refine": 1, "top": 1}
    scores = {mode: searcher.search("water", [raster], options(score=mode, **half)) for mode in ("global", "fused")}
    assert scores["global"].hits[0].score != scores["fused"].hits[0].score
    for mode, expected in scores.items():
        model.default_mode = ScoreMode(mode)
        result = searcher.search("water", [raster], options(**half))
        assert result.mode is ScoreMode(mode)
        assert result.hits == expected.hits


def test_a_mode_that_the_model_has_not_is_told_before_any_work(
    searcher: Searcher, raster: Path, model: ColourModel
) -> None:
    with pytest.raises(
        UsageError, match=r"colour has no perspective heads, so the score max-view.*auto, global, fused"
    ):
        searcher.search("water", [raster], options(score="max-view"))
    assert model.encoded == 0


class TwoViews(ColourModel):
    """Has two perspectives of a region: as it is, and each colour taken for the one before it."""

    score_modes = tuple(ScoreMode)

    def region_views(self, region_feature: Tensor) -> Tensor:
        return torch.stack([region_feature, region_feature.roll(1, dims=1)])


def test_the_best_view_counts_half(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "pair.tif", ground([["water", "sand"]] * 2, 32), photometric="RGB")
    searcher = Searcher(TwoViews(), LocalKeywordExtractor(), LeftHalf(), IndexFolder(tmp_path / "cache"))
    result = searcher.search("moss", [raster], options(score="max-view"))
    assert result.mode is ScoreMode.MAX_VIEW
    # Subimage: (water + asphalt) / √2; the second view takes them for sand and moss.
    assert result.hits[0].score_global == pytest.approx(0.0, abs=1e-3)
    assert result.hits[0].score == pytest.approx(0.5 * 0.5**0.5, abs=1e-3)


def test_rasters_are_ranked_together(searcher: Searcher, raster: Path, tmp_path: Path) -> None:
    far = Affine(0.5, 0.0, 500_000.0, 0.0, -0.5, 5_800_000.0)
    other = write_raster(tmp_path / "other.tif", ground([["brick", "water"]]), transform=far, photometric="RGB")
    result = searcher.search("water", [raster, other, raster], options(segmenter="none", top=3))
    assert result.rasters == (str(raster), str(other))
    assert [(hit.raster, hit.tile.row, hit.tile.col) for hit in result.hits] == [(0, 0, 2), (0, 1, 2), (1, 0, 1)]
    assert result.crs is not None
    assert result.crs.to_epsg() == 32633


def test_one_place_in_two_rasters_is_found_once(searcher: Searcher, raster: Path, tmp_path: Path) -> None:
    copy = write_raster(tmp_path / "copy.tif", ground(CELLS), photometric="RGB")
    result = searcher.search("water", [raster, copy], options(segmenter="none", top=2))
    assert {hit.raster for hit in result.hits} == {0}


def test_one_place_is_found_once_across_crs(searcher: Searcher, raster: Path, tmp_path: Path) -> None:
    from pyproj import Transformer

    to_degrees = Transformer.from_crs(32633, 4326, always_xy=True)
    west, north = to_degrees.transform(400_000.0, 5_800_000.0)
    east, _ = to_degrees.transform(400_128.0, 5_800_000.0)
    _, south = to_degrees.transform(400_000.0, 5_799_904.0)
    degrees = Affine((east - west) / 256, 0, west, 0, (south - north) / 192, north)
    other = write_raster(tmp_path / "wgs.tif", ground(CELLS), transform=degrees, crs="EPSG:4326", photometric="RGB")
    result = searcher.search("water", [raster, other], options(segmenter="none", top=2))
    assert {hit.raster for hit in result.hits} == {0}
    assert result.crs is not None
    assert result.crs.to_epsg() == 4326


@pytest.mark.parametrize("query", ["", "   ", "-water"])
def test_a_query_that_asks_for_nothing_is_wrong_use(searcher: Searcher, raster: Path, query: str) -> None:
    with pytest.raises(UsageError):
        searcher.search(query, [raster], options())


def test_a_missing_raster_is_told_before_any_work(searcher: Searcher, raster: Path, model: ColourModel) -> None:
    with pytest.raises(RasterError, match=r"nowhere\.tif"):
        searcher.search("water", [raster, raster.parent / "nowhere.tif"], options())
    assert model.encoded == 0


def test_rasters_with_and_without_crs_do_not_go_on_one_map(searcher: Searcher, raster: Path, tmp_path: Path) -> None:
    bare = write_raster(tmp_path / "bare.tif", ground(CELLS), crs=None, transform=None, photometric="RGB")
    with pytest.raises(UsageError, match="coordinate reference system"):
        searcher.search("water", [raster, bare], options())
    with pytest.raises(UsageError, match=r"bare\.tif"):
        searcher.search("water", [bare], options(crs="EPSG:4326"))
    assert searcher.search("water", [bare], options(segmenter="none")).crs is None


def test_refining_stops_when_asked(searcher: Searcher, raster: Path) -> None:
    refined: list[Hit] = []
    with pytest.raises(Cancelled):
        searcher.search("water", [raster], options(), cancel=lambda: len(refined) == 2, on_hit=refined.append)
    assert len(refined) == 2


def test_a_raster_smaller_than_a_tile_is_one_hit(searcher: Searcher, tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "small.tif", ground([["water", "sand", "water"]], 20), photometric="RGB")
    result = searcher.search("sand", [raster], options(tile="224px", overlap=0.25))
    assert [(h.tile.width, h.tile.height) for h in result.hits] == [(60, 20)]
    areas = [region.polygon.centroid for region in result.hits[0].subregions]
    assert [point.x for point in areas] == pytest.approx([30.0], abs=5)


def test_16_bit_rasters_are_refined_with_the_stretch_of_their_index(searcher: Searcher, tmp_path: Path) -> None:
    values = ground(CELLS).astype(np.uint16) * 100
    raster = write_raster(tmp_path / "deep.tif", values, photometric="RGB")
    result = searcher.search("water", [raster], options(refine=2, top=2))
    assert set(places(result)) == {(0, 2), (1, 2)}
