"""Regions are looked for once: what a second search, another process or a run after a crash finds in the index."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from torch import Tensor

from engine.config import SearchOptions
from engine.errors import Cancelled
from engine.index.folder import IndexFolder
from engine.search.hits import Hit, SearchResult
from engine.search.pipeline import Searcher
from engine.segment.contract import Segment
from engine.segment.relevance import RelevanceSegmenter, RelevanceSettings
from engine.text.local import LocalKeywordExtractor
from engine.types import UInt8Array
from tests.engine.search.region_worker import OPTIONS, as_json
from tests.support.colour_model import ColourModel, ground
from tests.support.rasters import write_raster

ROOT = Path(__file__).resolve().parents[3]
CELLS = [
    ["moss", "moss", "water", "sand"],
    ["moss", "brick", "water", "sand"],
    ["snow", "snow", "asphalt", "moss"],
]


class CountingModel(ColourModel):
    """Counts subimages."""

    def __init__(self, weights: str = "1") -> None:
        super().__init__(weights)
        self.regions = 0

    def encode_regions(self, regions: Tensor, mask: Tensor) -> Tensor:
        self.regions += int(mask.sum())
        return super().encode_regions(regions, mask)


class CountingSegmenter(RelevanceSegmenter):
    """Keeps the keywords that it is asked for, tile by tile."""

    def __init__(self, model: ColourModel, settings: RelevanceSettings | None = None) -> None:
        super().__init__(model, settings)
        self.asked: list[tuple[str, ...]] = []

    def segment(self, tiles: Sequence[UInt8Array], keywords: Sequence[Sequence[str]]) -> list[list[Segment]]:
        self.asked += [tuple(words) for words in keywords]
        return super().segment(tiles, keywords)


class Bench:
    """A searcher that counts what it does."""

    def __init__(self, cache: Path, weights: str = "1", settings: RelevanceSettings | None = None) -> None:
        self.model = CountingModel(weights)
        self.segmenter = CountingSegmenter(self.model, settings)
        self.searcher = Searcher(self.model, LocalKeywordExtractor(), self.segmenter, IndexFolder(cache))

    def search(self, query: str, *rasters: Path, options: SearchOptions = OPTIONS) -> SearchResult:
        return self.searcher.search(query, rasters, options)

    @property
    def worked(self) -> tuple[int, int]:
        """Tiles segmented and subimages embedded."""
        return len(self.segmenter.asked), self.model.regions


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "cells.tif", ground(CELLS), photometric="RGB")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_second_search_segments_and_embeds_nothing_and_finds_the_same(raster: Path, cache: Path) -> None:
    first, second = Bench(cache), Bench(cache)
    found = first.search("water and sand", raster)
    assert first.worked[0] == 12
    assert first.worked[1] == sum(len({region.keyword for region in hit.subregions}) for hit in found.hits) > 0
    again = second.search("water and sand", raster)
    assert second.worked == (0, 0)
    assert again.hits == found.hits
    assert any(hit.score != hit.score_global for hit in again.hits)


def test_only_what_is_not_known_is_looked_for(raster: Path, cache: Path, tmp_path: Path) -> None:
    every = OPTIONS.model_copy(update={"refine": 35, "top": 35})
    Bench(cache).search("water", raster, options=every)
    bench = Bench(cache)
    found = bench.search("water and sand", raster, options=every)
    assert bench.segmenter.asked == [("sand",)] * 35
    assert as_json(found) == as_json(Bench(tmp_path / "other").search("water and sand", raster, options=every))


@pytest.mark.parametrize(
    ("query", "weights", "settings"),
    [("brick", "1", None), ("water", "2", None), ("water", "1", RelevanceSettings(superpixels=40))],
    ids=["keyword", "model", "segmenter"],
)
def test_another_keyword_model_or_segmenter_looks_for_itself(
    raster: Path, cache: Path, query: str, weights: str, settings: RelevanceSettings | None
) -> None:
    Bench(cache).search("water", raster)
    other = Bench(cache, weights, settings)
    other.search(query, raster)
    assert other.worked[0] == 12


def test_each_raster_has_its_own_regions(raster: Path, cache: Path, tmp_path: Path) -> None:
    turned = write_raster(tmp_path / "turned.tif", ground([row[::-1] for row in CELLS]), crs=None, photometric="RGB")
    plain = write_raster(tmp_path / "plain.tif", ground(CELLS), crs=None, photometric="RGB")
    both = OPTIONS.model_copy(update={"refine": 24, "top": 24})
    first, second = Bench(cache), Bench(cache)
    found = first.search("water", turned, plain, options=both)
    assert {hit.raster for hit in found.hits} == {0, 1}
    assert second.search("water", turned, plain, options=both).hits == found.hits
    assert second.worked == (0, 0)


def test_what_was_found_before_a_cancellation_is_kept(raster: Path, cache: Path) -> None:
    refined: list[Hit] = []
    late = OPTIONS.model_copy(update={"commit_seconds": 1e9})
    with pytest.raises(Cancelled):
        Bench(cache).searcher.search("water", [raster], late, cancel=lambda: len(refined) == 5, on_hit=refined.append)
    bench = Bench(cache)
    bench.search("water", raster)
    assert bench.worked[0] == 7


def test_regions_count_in_the_size_of_an_index_and_go_with_it(raster: Path, cache: Path) -> None:
    folder = IndexFolder(cache)
    Bench(cache).search("water", raster, options=OPTIONS.model_copy(update={"refine": 0}))
    (before,) = folder.entries()
    Bench(cache).search("water", raster)
    (after,) = folder.entries()
    kept = sum(file.stat().st_size for file in (after.path / "regions.lance").rglob("*") if file.is_file())
    assert kept > 0
    assert after.bytes == before.bytes + kept
    folder.remove(after)
    assert not after.path.exists()
    bench = Bench(cache)
    bench.search("water", raster)
    assert bench.worked[0] == 12


def start_worker(raster: Path, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.engine.search.region_worker", str(raster), str(cache), "water"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment)


def test_after_a_killed_run_only_the_rest_is_looked_for(raster: Path, cache: Path, tmp_path: Path) -> None:
    expected = as_json(Bench(tmp_path / "other cache").search("water", raster))
    deadline = time.monotonic() + 600
    with start_worker(raster, cache) as worker:
        while len(list(cache.glob("index/*/regions.lance/data/*"))) < 3:
            assert time.monotonic() < deadline, "the worker has committed nothing"
            time.sleep(0.02)
        worker.kill()
    bench = Bench(cache)
    assert as_json(bench.search("water", raster)) == expected
    assert 0 < bench.worked[0] <= 10


def test_two_processes_fill_one_cache(raster: Path, cache: Path, tmp_path: Path) -> None:
    expected = as_json(Bench(tmp_path / "other cache").search("water", raster))
    with start_worker(raster, cache) as first, start_worker(raster, cache) as second:
        for worker in (first, second):
            assert json.loads(worker.communicate(timeout=600)[0]) == expected
    bench = Bench(cache)
    assert as_json(bench.search("water", raster)) == expected
    assert bench.worked == (0, 0)
