"""What a running search tells, and how it ends when it is asked to."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from engine.config import SearchOptions
from engine.errors import Cancelled
from engine.index.folder import IndexFolder
from engine.search.context import SearchContext
from engine.search.hits import Hit
from engine.search.pipeline import Searcher
from engine.search.report import hits_json, report
from engine.segment.contract import Segment
from engine.text.local import LocalKeywordExtractor
from engine.types import Progress, UInt8Array
from tests.support.colour_model import ColourModel, ground
from tests.support.rasters import write_raster

CELLS = [["moss", "water"], ["sand", "brick"]]
OPTIONS = SearchOptions(tile="64px", overlap=0.0, refine=2, batch_size=1, commit_seconds=0.0)


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "cells.tif", ground(CELLS), photometric="RGB")


def test_what_callbacks_receive_is_told_as_json_like_the_report(searcher: Searcher, raster: Path) -> None:
    told: list[tuple[str, object]] = []
    contexts: list[SearchContext] = []

    def as_json(hits: Sequence[Hit]) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(json.dumps(hits_json(hits, contexts[0]), allow_nan=False))
        return found

    result = searcher.search(
        "water",
        [raster],
        OPTIONS.model_copy(update={"crs": "EPSG:3857"}),
        on_context=contexts.append,
        on_shortlist=lambda hits: told.append(("shortlist", as_json(hits))),
        on_hit=lambda hit: told.append(("hit", as_json([hit]))),
    )
    assert [kind for kind, _ in told] == ["shortlist", "hit", "hit"]
    assert len(contexts) == 1
    assert contexts[0].rasters == (str(raster),)
    whole = report(result, geometry=True)["hits"]
    plain = report(result)["hits"]
    shortlist = told[0][1]
    assert isinstance(shortlist, list)
    assert [hit["percentile"] for hit in shortlist] == [75.0, 0.0, 0.0, 0.0]
    assert whole[0] == told[1][1][0]  # type: ignore[index]
    assert set(whole[0]) == {
        "rank", "score", "score_global", "score_regions", "percentile", "refined", "bounds", "raster", "tile_row",
        "tile_col", "pixels", "geometry", "subregions",
    }  # fmt: skip
    outline = whole[0]["geometry"]
    assert outline["type"] == "Polygon"
    assert outline["coordinates"][0][0] == outline["coordinates"][0][-1]
    xs, ys = zip(*outline["coordinates"][0], strict=True)
    assert whole[0]["bounds"] == [min(xs), min(ys), max(xs), max(ys)]
    assert all(hit.keys() == whole[0].keys() - {"geometry"} for hit in plain)
    assert plain[0]["subregions"] == {"water": len(whole[0]["subregions"])}
    assert {region["keyword"] for region in whole[0]["subregions"]} == {"water"}
    assert all(region["geometry"]["type"] == "Polygon" for region in whole[0]["subregions"])


def test_json_has_the_holes_of_outlines(searcher: Searcher, tmp_path: Path) -> None:
    cells = [["brick" if 0 < row < 4 and 0 < col < 4 else "water" for col in range(5)] for row in range(5)]
    raster = write_raster(tmp_path / "ring.tif", ground(cells, 32), photometric="RGB")
    result = searcher.search("water", [raster], SearchOptions(tile="160px", refine=1))
    rings = [
        len(region["geometry"]["coordinates"]) for region in report(result, geometry=True)["hits"][0]["subregions"]
    ]
    assert rings == [1 + len(region.polygon.interiors) for region in result.hits[0].subregions]
    assert max(rings) == 2


def test_indexing_ends_at_the_next_batch(searcher: Searcher, raster: Path, model: ColourModel) -> None:
    with pytest.raises(Cancelled):
        searcher.search("water", [raster], OPTIONS, cancel=lambda: model.encoded == 2)
    assert model.encoded == 2
    assert [entry.done for entry in searcher.folder.entries()] == [2]


def test_ranking_ends_when_asked(searcher: Searcher, raster: Path) -> None:
    stages: list[str] = []

    def note(progress: Progress) -> None:
        stages.append(progress.stage)

    searcher.search("water", [raster], OPTIONS)
    with pytest.raises(Cancelled):
        searcher.search("water", [raster], OPTIONS, note, cancel=lambda: "rank" in stages)
    assert stages[-1] == "rank"


class Layer(nn.Module):
    """Counts how often it is passed."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0

    def forward(self, values: Tensor) -> Tensor:
        self.passed += 1
        time.sleep(0.01)
        return values


class DeepSegmenter:
    """Takes ten seconds for a tile, in a network of a thousand layers."""

    identity = "deep"

    def __init__(self) -> None:
        self.layer = Layer()
        self.network = nn.Sequential(*[self.layer] * 1000)

    def segment(self, tiles: Sequence[UInt8Array], keywords: Sequence[Sequence[str]]) -> list[list[Segment]]:
        self.network(torch.zeros(1))
        return [[] for _ in tiles]


def test_a_slow_segmenter_ends_within_a_tile(raster: Path, tmp_path: Path) -> None:
    segmenter = DeepSegmenter()
    searcher = Searcher(ColourModel(), LocalKeywordExtractor(), segmenter, IndexFolder(tmp_path / "cache"))
    shortlists: list[Sequence[Hit]] = []
    with pytest.raises(Cancelled):
        searcher.search(
            "water", [raster], OPTIONS, cancel=lambda: segmenter.layer.passed >= 3, on_shortlist=shortlists.append
        )
    assert segmenter.layer.passed == 3
    assert len(shortlists[0]) == 4
    segmenter.layer(torch.zeros(1))  # nobody asks any more
    assert segmenter.layer.passed == 4
