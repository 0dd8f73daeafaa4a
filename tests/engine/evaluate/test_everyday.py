"""The pairs of everyday and benchmark wording, and their report."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from engine.config import SearchOptions, SegmenterName
from engine.datasets.rsicd import read_split
from engine.evaluate.everyday import DEVELOPMENT_PAIRS, EVERYDAY_PAIRS, EverydayReport
from engine.evaluate.mosaic import write_mosaic
from engine.evaluate.mosaic_search import scene_precision
from engine.evaluate.wordings import SCENE_NAMES
from engine.index.folder import IndexFolder
from engine.models.registry import load_model
from engine.search.pipeline import Searcher
from engine.text.local import LocalKeywordExtractor
from tests.support.rsicd import write_rsicd


def test_every_scene_has_two_pairs_and_no_wording_stands_on_both_sides() -> None:
    assert len(EVERYDAY_PAIRS) == 60
    assert Counter(scene for _, _, scene in EVERYDAY_PAIRS) == dict.fromkeys(SCENE_NAMES, 2)
    everyday = {words for words, _, _ in EVERYDAY_PAIRS}
    assert len(everyday) == 60
    assert not everyday & {words for _, words, _ in EVERYDAY_PAIRS}


def test_words_that_settings_are_chosen_by_are_others() -> None:
    assert {scene for _, _, scene in DEVELOPMENT_PAIRS} == set(SCENE_NAMES)
    words = [words for words, _, _ in DEVELOPMENT_PAIRS]
    assert len(set(words)) == len(words) == 90
    assert not set(words) & {words for words, _, _ in EVERYDAY_PAIRS}


def test_the_report_has_the_means_of_both_sides() -> None:
    report = EverydayReport({("a", "b"): (0.2, 0.6), ("c", "d"): (0.4, 1.0)}).to_json()
    assert report["precision_at_10_everyday"] == pytest.approx(0.3)
    assert report["precision_at_10_benchmark"] == pytest.approx(0.8)
    assert report["by_pair"] == [["a", "b", 0.2, 0.6], ["c", "d", 0.4, 1.0]]


def test_precision_counts_the_scenes_of_the_cells_that_were_found(tmp_path: Path) -> None:
    data = write_rsicd(tmp_path / "rsicd", {"val": 12})
    images = read_split(data, "val")
    mosaic = write_mosaic(images, tmp_path / "mosaic.tif", seed=0)
    searcher = Searcher(load_model("rsicd-mini", "cpu"), LocalKeywordExtractor(), None, IndexFolder(tmp_path / "cache"))
    options = SearchOptions(overlap=0.0, refine=0, segmenter=SegmenterName.NONE)
    scenes = {image.scene for image in images if image.scene}
    found = {scene: scene_precision(searcher, mosaic, "green field", scene, options) for scene in scenes}
    named = sum(image.scene is not None for image in images)
    assert 0 < sum(found.values()) <= named / 10 + 1e-9  # the ten hits are ten cells, each of one scene at most
    assert scene_precision(searcher, mosaic, "green field", "no such scene", options) == 0
