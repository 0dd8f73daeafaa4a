from __future__ import annotations

from pathlib import Path

import pytest

from engine.index.folder import IndexFolder
from engine.search.pipeline import Searcher
from engine.segment.relevance import RelevanceSegmenter
from engine.text.local import LocalKeywordExtractor
from tests.support.colour_model import ColourModel


@pytest.fixture
def model() -> ColourModel:
    return ColourModel()


@pytest.fixture
def searcher(model: ColourModel, tmp_path: Path) -> Searcher:
    return Searcher(model, LocalKeywordExtractor(), RelevanceSegmenter(model), IndexFolder(tmp_path / "cache"))
