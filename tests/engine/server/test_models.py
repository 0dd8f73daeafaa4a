from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from engine.config import SegmenterName
from engine.server.models import KEPT, ModelCache
from engine.types import Progress, no_progress
from tests.support.tiny_clip import tiny_clip


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """One more model than is kept."""
    folder = tmp_path_factory.mktemp("models")
    names = []
    for seed in range(KEPT + 1):
        file = folder / f"w{seed}.pt"
        torch.save(tiny_clip("tiny-gelu", seed).state_dict(), file)
        names.append(f"open_clip:tiny-gelu:{file}")
    return names


def test_a_model_is_loaded_once_and_the_loading_is_told(names: list[str]) -> None:
    models, told = ModelCache(), list[Progress]()
    first = models.model(names[0], "cpu", told.append)
    assert [(step.stage, step.done, step.total) for step in told] == [("load", 0, 1), ("load", 1, 1)]
    assert models.model(names[0], "cpu", told.append) is first
    assert len(told) == 2
    assert models.loaded == [first.identity.model_id]


def test_the_models_used_last_are_kept(names: list[str]) -> None:
    models = ModelCache()
    first, second = (models.model(name, "cpu", no_progress) for name in names[:2])
    models.model(names[0], "cpu", no_progress)
    third = models.model(names[2], "cpu", no_progress)
    assert models.loaded == [third.identity.model_id, first.identity.model_id]
    assert models.model(names[0], "cpu", no_progress) is first
    assert models.model(names[1], "cpu", no_progress) is not second


def test_a_file_that_has_changed_is_loaded_again(tmp_path: Path) -> None:
    file = tmp_path / "w.pt"
    torch.save(tiny_clip("tiny-gelu", 1).state_dict(), file)
    models, name = ModelCache(), f"open_clip:tiny-gelu:{file}"
    first = models.model(name, "cpu", no_progress)
    torch.save(tiny_clip("tiny-gelu", 2).state_dict(), file)
    os.utime(file, (1, 1))
    second = models.model(name, "cpu", no_progress)
    assert second.identity.weights != first.identity.weights


def test_a_segmenter_stays_with_its_model(names: list[str]) -> None:
    models = ModelCache()
    model, other = (models.model(name, "cpu", no_progress) for name in names[:2])
    segmenter = models.segmenter(SegmenterName.RELEVANCE, model, None)
    assert models.segmenter(SegmenterName.AUTO, model, None) is segmenter
    assert models.segmenter(SegmenterName.RELEVANCE, other, None) is not segmenter
    assert models.segmenter(SegmenterName.NONE, model, None) is None
