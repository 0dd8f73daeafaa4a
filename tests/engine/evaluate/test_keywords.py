"""Keywords against labels by hand: the score itself, the labels, and what the local extractor reaches."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.evaluate.keywords import (
    HALVES,
    LabelledCaption,
    WordScore,
    captions_per_second,
    read_labels,
    word_score,
)
from engine.text.contract import Keywords
from engine.text.local import LocalKeywordExtractor
from tests.conftest import ROOT
from tests.support.rsicd import write_rsicd

LABELS = ROOT / "tests" / "data" / "keywords" / "rsicd_val.tsv"
AIM = 0.95


class EveryWord:
    """Takes each word for a keyword."""

    def extract(self, query: str) -> Keywords:
        if not query:
            raise UsageError("The query is empty.", "")
        return Keywords(tuple(query.split()), (), query)


def labelled(caption: str, *keywords: str) -> LabelledCaption:
    return LabelledCaption("x.jpg#0", "development", caption, keywords)


def test_words_are_counted_as_often_as_they_occur() -> None:
    captions = [labelled("a parking lot", "parking lot"), labelled("red red roof", "red roof")]
    assert word_score(EveryWord(), captions) == WordScore(captions=2, matched=4, found=6, wanted=4)


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    score = WordScore(captions=1, matched=3, found=4, wanted=6)
    assert (score.precision, score.recall) == (0.75, 0.5)
    assert score.f1 == pytest.approx(0.6)


def test_a_refused_caption_counts_as_one_without_keywords() -> None:
    score = word_score(EveryWord(), [labelled("", "pond")])
    assert score == WordScore(captions=1, matched=0, found=0, wanted=1)
    assert score.f1 == 0.0


def test_nothing_found_where_nothing_is_wanted_is_right() -> None:
    assert word_score(EveryWord(), []).f1 == 1.0


def test_the_speed_counts_whole_rounds() -> None:
    assert captions_per_second(EveryWord(), ["a pond", "a road"], seconds=0.01) > 100


def test_labels_find_their_captions_by_image_and_number(tmp_path: Path) -> None:
    data = write_rsicd(tmp_path / "rsicd", {"val": 2}, side=8)
    labels = tmp_path / "labels.tsv"
    labels.write_text("id\thalf\tkeywords\ngreen_1.png#1\theld_out\tfield\nred_0.png#3\tdevelopment\t\n", "utf-8")
    assert read_labels(labels, data) == [
        LabelledCaption("green_1.png#1", "held_out", "a green field", ("field",)),
        LabelledCaption("red_0.png#3", "development", "much red", ()),
    ]


@pytest.mark.parametrize("text", ["id\thalf\tkeywords\nmissing.png#0\theld_out\tfield\n", "id\nred_0.png#0\n"])
def test_labels_of_other_captions_are_refused(tmp_path: Path, text: str) -> None:
    data = write_rsicd(tmp_path / "rsicd", {"val": 1}, side=8)
    labels = tmp_path / "labels.tsv"
    labels.write_text(text, "utf-8")
    with pytest.raises(UsageError, match="does not fit the captions"):
        read_labels(labels, data)
    with pytest.raises(UsageError, match="cannot be read"):
        read_labels(tmp_path / "none.tsv", data)


def test_three_hundred_captions_are_labelled_half_of_them_held_out() -> None:
    rows = [line.split("\t") for line in LABELS.read_text("utf-8").splitlines()[1:]]
    assert Counter(half for _, half, _ in rows) == dict.fromkeys(HALVES, 150)
    assert len({identifier for identifier, _, _ in rows}) == 300
    assert all(keywords == keywords.lower() for _, _, keywords in rows)


@pytest.mark.parametrize("half", HALVES)
def test_the_local_extractor_agrees_with_the_labels(shared_data: Path, half: str) -> None:
    captions = read_labels(LABELS, shared_data / "data" / "rsicd")
    score = word_score(LocalKeywordExtractor(), [caption for caption in captions if caption.half == half])
    assert score.captions == 150
    assert score.f1 >= AIM
