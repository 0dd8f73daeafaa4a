"""Soft targets: how right a text is for an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from engine.train.packaged.likeness import Likeness, canonical


def features(**vectors: Tensor) -> Callable[[Sequence[str]], Tensor]:
    return lambda texts: torch.stack([vectors[text] for text in texts])


NORTH, EAST = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 3.0])


def test_capitals_full_stops_and_spaces_make_no_other_text() -> None:
    assert canonical("Some  green trees .") == canonical("some green trees.") == "some green trees"


def test_the_same_words_are_wholly_right_for_every_image_that_has_them() -> None:
    likeness = Likeness(features(), width=0.0)
    texts = ["A road.", "a road .", "two boats"]
    positives = likeness.positives(texts, torch.tensor([0, 1, 2]), 3)
    assert positives.tolist() == [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def test_alike_texts_are_right_by_their_cosine_and_width() -> None:
    between = torch.tensor([1.0, 1.0])  # 45 degrees from both
    likeness = Likeness(features(a=NORTH, b=EAST, c=between), width=0.5)
    positives = likeness.positives(["a", "b", "c"], torch.tensor([0, 1, 2]), 3)
    near, far = math.exp((math.sqrt(0.5) - 1) / 0.5), math.exp(-1 / 0.5)
    assert positives[0].tolist() == pytest.approx([1.0, far, near])
    assert torch.equal(positives, positives.T)


def test_an_image_takes_the_most_alike_of_its_texts() -> None:
    likeness = Likeness(features(a=NORTH, b=EAST, c=EAST), width=0.1)
    positives = likeness.positives(["a", "b", "c"], torch.tensor([0, 0, 1]), 2)
    assert positives[0].tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert positives[1].tolist() == pytest.approx([math.exp(-10), 1.0, 1.0])


def test_other_texts_are_judged_by_the_most_alike_of_an_images_own() -> None:
    likeness = Likeness(features(a=NORTH, b=EAST, c=torch.tensor([1.0, 1.0])), width=0.5)
    judged = likeness.positives(["a", "b", "a"], torch.tensor([0, 0, 1]), 2, others=["b", "c"])
    near, far = math.exp((math.sqrt(0.5) - 1) / 0.5), math.exp(-1 / 0.5)
    torch.testing.assert_close(judged, torch.tensor([[1.0, near], [far, near]]))
    assert likeness.positives(["a"], torch.tensor([0]), 1, others=[]).shape == (1, 0)
