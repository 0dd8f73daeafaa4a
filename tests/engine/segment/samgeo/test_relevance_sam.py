"""Relevance prompts samgeo's SAM: real relevance on a model of known answers, real SAM code with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.cli.main import main
from engine.config import SearchOptions, SegmenterName
from engine.index.folder import IndexFolder
from engine.models.catalogue import catalogue
from engine.models.weights import local_file
from engine.search.pipeline import Searcher
from engine.search.segmenters import make_segmenter
from engine.segment.relevance import RelevanceSegmenter
from engine.segment.samgeo.outlines import as_masks, clip_boxes, merged
from engine.segment.samgeo.relevance_sam import PromptSettings, RelevanceSamSegmenter, prompts
from engine.text.local import LocalKeywordExtractor
from engine.types import BoolArray, UInt8Array
from tests.support.colour_model import GROUND, ColourModel, ground
from tests.support.rasters import write_raster
from tests.support.segments import check_contract

CPU = torch.device("cpu")
CELLS = [["moss", "water", "moss"], ["moss", "moss", "moss"], ["moss", "moss", "brick"]]


@pytest.fixture(scope="module")
def segmenter(sam_weights: Path) -> RelevanceSamSegmenter:
    return RelevanceSamSegmenter(RelevanceSegmenter(ColourModel()), sam_weights, "vit_b", CPU)


@pytest.fixture
def cells() -> UInt8Array:
    return np.ascontiguousarray(ground(CELLS, cell=40).transpose(1, 2, 0))


def two_parts() -> BoolArray:
    """A square of 16 pixels, rows 4 to 8 and columns 10 to 14, and one of 4 in a corner."""
    mask = np.zeros((20, 30), np.bool_)
    mask[4:8, 10:14] = True
    mask[18:, 28:] = True
    return mask


def test_every_part_prompts_with_its_widened_box_and_its_peak() -> None:
    mask = two_parts()
    values = np.zeros((10, 15), np.float32)  # half the mask's resolution
    values[3, 6] = 2.0
    values[0, 0] = 9.0  # outside the mask
    large, small = prompts(mask, values, PromptSettings(margin=0.25))
    assert large.box == (9.0, 3.0, 15.0, 9.0)
    assert large.peak == (12.5, 6.5)
    assert small.box == (27.5, 17.5, 30.0, 20.0)
    assert (large.mask | small.mask).sum() == 20


def test_the_largest_parts_prompt_and_ground_cover_does_not() -> None:
    mask, values = two_parts(), np.zeros((20, 30), np.float32)
    assert [part.mask.sum() for part in prompts(mask, values, PromptSettings(parts=1))] == [16]
    mask[8:18] = True
    assert [part.mask.sum() for part in prompts(mask, values, PromptSettings())] == []
    assert prompts(np.zeros_like(mask), values, PromptSettings()) == []


def test_outlines_lie_where_the_keywords_are(
    segmenter: RelevanceSamSegmenter, cells: UInt8Array, capfd: pytest.CaptureFixture[str]
) -> None:
    keywords = [["Water", "brick"], ["brick", "snow"]]
    tiles = [cells, cells[:, ::-1].copy()]
    found = segmenter.segment(tiles, keywords)
    check_contract(found, tiles, keywords)
    assert [[segment.keyword for segment in segments] for segments in found] == [["Water", "brick"], ["brick"]]
    relevance = RelevanceSegmenter(ColourModel()).segment(tiles, keywords)
    for segments, coarse in zip(found, relevance, strict=True):
        for segment, wide in zip(segments, coarse, strict=True):
            rows, cols = np.nonzero(wide.mask)
            inside = np.zeros_like(wide.mask)
            inside[max(0, rows.min() - 6) : rows.max() + 7, max(0, cols.min() - 6) : cols.max() + 7] = True
            assert not (segment.mask & ~inside).any()
            assert segment.score == wide.score
    assert any((a.mask != b.mask).any() for a, b in zip(found[0], relevance[0], strict=True))
    assert capfd.readouterr().out == ""


def test_a_tile_that_is_one_ground_keeps_the_relevance_outline(segmenter: RelevanceSamSegmenter) -> None:
    tile = np.full((90, 90, 3), GROUND["water"], np.uint8)
    found = segmenter.segment([tile], [["water"]])[0]
    assert [segment.mask.all() for segment in found] == [True]


def test_identity_holds_the_relevance_settings_and_the_weights(segmenter: RelevanceSamSegmenter) -> None:
    assert segmenter.identity.startswith("relevance+sam-1(parts=32,margin=0.1,ground=0.5,vit_b=")
    assert RelevanceSegmenter(ColourModel()).identity in segmenter.identity


def test_a_whole_search_with_sam(sam_weights: Path, tmp_path: Path) -> None:
    model = ColourModel()
    raster = write_raster(tmp_path / "cells.tif", ground(CELLS), photometric="RGB")
    segmenter = make_segmenter(SegmenterName.RELEVANCE_SAM, model, sam_weights)
    searcher = Searcher(model, LocalKeywordExtractor(), segmenter, IndexFolder(tmp_path / "cache"))
    options = SearchOptions.checked(tile="128px", overlap=0.5, top=3, refine=2, segmenter="relevance+sam")
    result = searcher.search("water", [raster], options)
    best = result.hits[0]
    assert best.refined
    assert [region.keyword for region in best.subregions] == ["water"] * len(best.subregions)
    assert best.subregions
    # Water is on columns 64 to 127 and rows 0 to 63; SAM stays within the widened box around it.
    for region in best.subregions:
        left, top, right, bottom = region.polygon.bounds
        assert left >= 64 - 14 and top >= 0 and right <= 128 + 14 and bottom <= 64 + 14


def test_a_search_from_the_command_line_prints_nothing_but_its_result(
    sam_weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if local_file(catalogue().get("rsicd-mini")) is None:
        pytest.skip("the packaged weights are not in resources/models")
    raster = write_raster(tmp_path / "cells.tif", ground(CELLS), photometric="RGB")
    command = ["search", "water", str(raster), "--out", str(tmp_path / "out.gpkg"), "--cache", str(tmp_path / "cache")]
    command += ["--segmenter", "relevance+sam", "--segmenter-weights", str(sam_weights), "--json", "--refine", "2"]
    assert main([*command, "--tile", "96px", "--device", "cpu"]) == 0
    captured = capfd.readouterr()
    assert len(json.loads(captured.out)["hits"]) > 0
    assert "outlines by relevance" not in captured.err


def test_masks_of_any_type_become_bool_of_the_tile() -> None:
    masks = torch.tensor([[[[0.0, 2.0], [-1.0, 0.5]]]])
    assert as_masks(masks, 2, 2).tolist() == [[[False, True], [False, True]]]
    assert as_masks(masks[0, 0].numpy().astype(np.int64), 2, 2).tolist() == [[[False, True], [False, False]]]
    assert as_masks(torch.tensor([]), 2, 3).shape == (0, 2, 3)
    with pytest.raises(ValueError, match="do not fit"):
        as_masks(masks, 2, 3)


def test_boxes_are_cut_to_the_tile_and_specks_dropped() -> None:
    boxes, usable = clip_boxes(
        torch.tensor([[-5.0, 1.0, 50.0, 9.0], [2.0, 2.0, 2.5, 8.0], [40.0, 1.0, 60.0, 9.0]]), 8, 30
    )
    assert boxes[0].tolist() == [0.0, 1.0, 30.0, 8.0]
    assert usable.tolist() == [True, False, False]


def test_masks_of_one_keyword_become_one_segment_with_the_best_score() -> None:
    masks = np.array([[[True, False]], [[False, True]], [[False, False]]])
    [segment] = merged("water", masks, [0.2, 1.2, 0.1])
    assert (segment.keyword, segment.mask.tolist(), segment.score) == ("water", [[True, True]], 1.0)
    assert merged("water", masks[2:], [0.9]) == []
    assert merged("water", masks[:0], []) == []
