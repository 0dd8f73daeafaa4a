"""Nouns of captions as training targets."""

from __future__ import annotations

from pathlib import Path

import pytest
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


def test_priors_are_the_counted_frequencies_of_an_images_nouns() -> None:
    images = [captioned("a bridge over a river", "a river", "a river", "some bridges and a tower")]
    images += [captioned("a river"), captioned("a tower and a bridge")] * 4 + [captioned("sand")] * 30
    targets = NounTargets(images, LocalKeywordExtractor())
    priors = targets.priors(torch.tensor([0, 1, 20]))
    named = {word: priors[0, i].item() for i, word in enumerate(targets.words)}
    assert named == {"bridge": pytest.approx(1 / 3), "river": pytest.approx(1 / 2), "tower": pytest.approx(1 / 6)}
    torch.testing.assert_close(priors[1], torch.tensor([0.0, 1.0, 0.0]))
    assert not priors[2].any()  # "sand" is in too many images to be a category
