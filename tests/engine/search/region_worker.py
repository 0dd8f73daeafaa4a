"""A process of its own that searches, slowly: ``region_worker.py RASTER CACHE QUERY``; prints the hits as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from engine.config import ScoreName, SearchOptions
from engine.index.folder import IndexFolder
from engine.search.hits import SearchResult
from engine.search.pipeline import Searcher
from engine.segment.contract import Segment
from engine.segment.relevance import RelevanceSegmenter
from engine.text.local import LocalKeywordExtractor
from engine.types import Json, UInt8Array
from tests.support.colour_model import ColourModel

OPTIONS = SearchOptions(tile="64px", overlap=0.5, nms=1.0, refine=12, top=12, commit_seconds=0.0, score=ScoreName.FUSED)


class SlowSegmenter(RelevanceSegmenter):
    """Takes its time, so that a test can interfere."""

    def segment(self, tiles: Sequence[UInt8Array], keywords: Sequence[Sequence[str]]) -> list[list[Segment]]:
        time.sleep(0.3)
        return super().segment(tiles, keywords)


def as_json(result: SearchResult) -> list[Json]:
    """All of the hits that a search finds out."""
    return [
        {
            "tile": [hit.tile.row, hit.tile.col],
            "scores": [hit.score, hit.score_global, hit.score_regions],
            "subregions": [[region.keyword, region.score, region.polygon.wkt] for region in hit.subregions],
        }
        for hit in result.hits
    ]


if __name__ == "__main__":
    model = ColourModel()
    searcher = Searcher(model, LocalKeywordExtractor(), SlowSegmenter(model), IndexFolder(Path(sys.argv[2])))
    print(json.dumps(as_json(searcher.search(sys.argv[3], [sys.argv[1]], OPTIONS))))
