from __future__ import annotations

import pytest

from engine.config import ScoreName
from engine.models.catalogue import catalogue
from engine.models.contract import ScoreMode
from engine.models.registry import load_model
from engine.models.weights import local_file
from engine.search.modes import choose_mode
from tests.support.colour_model import ColourModel


def test_names_are_modes() -> None:
    model = ColourModel()
    model.score_modes = tuple(ScoreMode)
    model.default_mode = ScoreMode.MAX_VIEW
    chosen = [choose_mode(name, model) for name in ScoreName]
    assert chosen == [ScoreMode.MAX_VIEW, ScoreMode.GLOBAL, ScoreMode.FUSED, ScoreMode.MAX_VIEW]


def test_the_packaged_model_scores_by_default_as_the_catalogue_says() -> None:
    entry = catalogue().get("rsicd-mini")
    if local_file(entry) is None:
        pytest.skip("the packaged weights are not in resources/models")
    assert entry.default_score is not None
    assert choose_mode(ScoreName.AUTO, load_model("rsicd-mini", "cpu")).value == entry.default_score
