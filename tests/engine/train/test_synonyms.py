"""Other words for the nouns of training texts."""

from __future__ import annotations

import pytest
import torch

from engine.train.packaged.synonyms import Synonyms, plural_of

TABLE = {"parking lot": ["car park"], "lot": ["plot"], "church": ["abbey"]}


def reword(text: str, rate: float = 1.0, seed: int = 0) -> str:
    return Synonyms(TABLE, rate).reword(text, torch.Generator().manual_seed(seed))


def test_the_longest_noun_is_replaced_and_the_rest_stays() -> None:
    assert reword("A parking lot, beside a road.") == "A car park, beside a road."


def test_a_plural_stays_a_plural() -> None:
    assert reword("two parking lots near trees") == "two car parks near trees"
    assert reword("Churches") == "abbeys"


def test_one_noun_of_several_is_replaced_and_each_has_its_turn() -> None:
    changed = {reword("a church and a parking lot", seed=seed) for seed in range(30)}
    assert changed == {"a abbey and a parking lot", "a church and a car park"}


def test_the_rate_is_the_share_of_changed_texts() -> None:
    generator = torch.Generator().manual_seed(0)
    synonyms = Synonyms(TABLE, 0.3)
    changed = sum(synonyms.reword("a church", generator) != "a church" for _ in range(2000))
    assert 0.27 < changed / 2000 < 0.33
    assert reword("a church", rate=0.0) == "a church"


def test_a_text_without_a_known_noun_stays() -> None:
    assert reword("green trees") == "green trees"


@pytest.mark.parametrize(
    ("noun", "plural"),
    [("jet", "jets"), ("abbey", "abbeys"), ("ferry", "ferries"), ("marsh", "marshes"), ("barracks", "barracks")],
)
def test_plurals(noun: str, plural: str) -> None:
    assert plural_of(noun) == plural


def test_the_shipped_table_has_other_words_for_what_the_benchmark_names() -> None:
    table = Synonyms.shipped(0.5).table
    assert "car park" in table["parking lot"]
    assert all(noun not in words and words for noun, words in table.items())
