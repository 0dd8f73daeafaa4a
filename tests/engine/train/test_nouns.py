"""Nouns of captions as training targets."""

from __future__ import annotations

from pathlib import Path

import torch

from engine.datasets.rsicd import CaptionedImage
from engine.text.local import LocalKeywordExtractor
from engine.train.packaged.nouns import NounTargets


def captioned(*captions: str) -> CaptionedImage:
    return CaptionedImage(Path("x.jpg"), None, captions, ())


def test_frequent_nouns_become_words_and_each_image_knows_its_own() -> None:
    images = [captioned("two tennis courts beside a river", "a tennis court")] * 5 + [captioned("a desert")] * 15
    targets = NounTargets(images, LocalKeywordExtractor())
    assert targets.words == ["river", "tennis courts"]  # "desert" is in too many images
    assert targets.shown[:5].all()
    assert not targets.shown[5:].any()


def test_a_sample_says_of_every_image_whether_it_shows_the_word() -> None:
    images = [captioned("a river")] * 5 + [captioned("a bridge and a river")] * 5 + [captioned("sand")] * 30
    targets = NounTargets(images, LocalKeywordExtractor())
    words, shown = targets.sample(torch.tensor([0, 5, 6, 20]), torch.Generator().manual_seed(0))
    assert "river" in words
    river = shown[:, words.index("river")]
    assert river.tolist() == [True, True, True, False]


def test_without_any_frequent_noun_there_is_nothing_to_sample() -> None:
    words, shown = NounTargets([captioned("a river")], LocalKeywordExtractor()).sample(
        torch.tensor([0]), torch.Generator()
    )
    assert words == []
    assert shown.shape == (1, 0)
