"""Words that the packaged model was not taught are said in words that it was, and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from engine.errors import ModelError
from engine.models.compact.wordings import (
    LONGEST_PHRASE,
    MOST_TEXTS,
    NO_WORDINGS,
    OWN_SHARE,
    Wordings,
    read_wordings,
)
from engine.models.contract import RetrievalModel
from engine.models.registry import load_model
from engine.resources import resource_path
from engine.segment.prompts import TEMPLATES
from engine.segment.relevance import RelevanceSegmenter
from engine.text.words import singular

TABLE = resource_path("models", "rsicd-words.json")
THESAURUS = resource_path("recipes", "rsicd-thesaurus.tsv")
CREEK = {"creek": {"river": 0.75, "lake": 0.25}, "mill": {"factory": 1.0}, "car park": {"parking lot": 1.0}}


def test_known_words_stay_as_they_are() -> None:
    reading = Wordings(CREEK).read("Many planes, parked at the Terminal")
    assert reading.texts == ("Many planes, parked at the Terminal",)
    assert reading.shares == (1.0,)
    assert not reading.words


def test_an_unknown_word_is_said_by_all_its_nouns_where_it_stands() -> None:
    reading = Wordings(CREEK).read("A creek, beside trees")
    assert reading.texts == ("A creek, beside trees", "A river, beside trees", "A lake, beside trees")
    assert reading.shares == pytest.approx((OWN_SHARE, (1 - OWN_SHARE) * 0.75, (1 - OWN_SHARE) * 0.25))
    assert reading.words == {"creek": ("river", "lake")}


def test_a_hyphen_is_a_gap() -> None:
    assert Wordings(CREEK).read("two car-parks").words == {"car-parks": ("parking lot",)}


@pytest.mark.parametrize("text", ["two creeks", "TWO CREEKS", "two\tCreeks"])
def test_plurals_and_capitals_are_the_same_word(text: str) -> None:
    assert list(Wordings(CREEK).read(text).words.values()) == [("river", "lake")]


def test_the_longest_phrase_counts_and_parts_of_words_do_not() -> None:
    wordings = Wordings(CREEK | {"car": {"vehicle": 1.0}, "park": {"lawn": 1.0}})
    assert wordings.read("the car park").words == {"car park": ("parking lot",)}
    assert wordings.read("a carpark and creekside").words == {}


def test_many_unknown_words_do_not_make_many_texts() -> None:
    reading = Wordings({w: {"a": 0.4, "b": 0.3, "c": 0.3} for w in ("one", "two", "three")}).read("one two three")
    assert len(reading.texts) == 1 + MOST_TEXTS
    assert sum(reading.shares) == pytest.approx(1)


def test_a_text_of_unknown_words_alone_is_read_at_once() -> None:
    """Sixty words of three nouns each have more combinations than could ever be listed."""
    reading = Wordings({"creek": {"river": 0.5, "water": 0.3, "lake": 0.2}}).read(" ".join(["creek"] * 60))
    assert len(reading.texts) == 1 + MOST_TEXTS
    assert reading.texts[1] == " ".join(["river"] * 60)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"words": {"creek": "river"}}', '{"words": 1}'])
def test_a_damaged_table_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "words.json"
    file.write_text(content)
    with pytest.raises(ModelError, match="word table"):
        read_wordings(file)


def test_outlines_that_are_kept_belong_to_their_table(tmp_path: Path) -> None:
    model = load_model("rsicd-mini", "cpu")
    now = RelevanceSegmenter(model).identity
    (tmp_path / "other.json").write_text('{"words": {"creek": {"lake": 1.0}}}')
    identities = {now}
    for wordings in (read_wordings(tmp_path / "other.json"), NO_WORDINGS):
        model.text_reading = wordings.digest
        identities.add(RelevanceSegmenter(model).identity)
    assert len(identities) == 3


def test_the_shipped_table_is_sound() -> None:
    words = json.loads(TABLE.read_text("utf-8"))["words"]
    assert len(words) > 3000
    for word, shares in words.items():
        assert word == word.lower()
        assert word not in shares
        assert sum(shares.values()) == pytest.approx(1, abs=0.02)
        assert not any(noun in words for noun in shares), word  # what it is said by needs no saying itself


def thesaurus() -> dict[str, list[str]]:
    lines = [line for line in THESAURUS.read_text("utf-8").splitlines() if not line.startswith("#")]
    entries = [line.split("\t") for line in lines]
    assert len({word for word, _ in entries}) == len(lines)
    return {word: phrases.split("; ") for word, phrases in entries}


def test_the_thesaurus_is_sound() -> None:
    entries = thesaurus()
    assert list(entries) == sorted(entries)
    for word, phrases in entries.items():
        assert word == singular(" ".join(word.lower().split())), word  # else no text would find it
        assert len(word.split()) <= LONGEST_PHRASE
        assert 1 <= len(set(phrases)) == len(phrases) <= 3
        assert all(phrase == phrase.strip().lower() != "" for phrase in phrases)


def test_the_shipped_table_says_words_as_the_thesaurus_does() -> None:
    words = json.loads(TABLE.read_text("utf-8"))["words"]
    said = {word: phrases for word, phrases in thesaurus().items() if word in words}
    assert len(said) > 2300
    for word, phrases in said.items():
        assert list(words[word]) == [phrase for phrase in phrases if phrase not in words], word


@pytest.mark.parametrize(
    ("people", "captions"), [("aerodrome", "airport"), ("car dealership", "parking"), ("vineyards", "farmland")]
)
def test_words_people_use_come_near_what_the_captions_say(people: str, captions: str) -> None:
    model = load_model("rsicd-mini", "cpu")
    bare: RetrievalModel = load_model("rsicd-mini", "cpu")
    bare._wordings = NO_WORDINGS  # type: ignore[attr-defined]
    asked, meant = model.encode_texts([people, captions])
    assert asked @ meant > 0.75
    assert asked @ meant > bare.encode_texts([people])[0] @ meant + 0.1


def test_prompts_and_frequent_words_are_not_in_the_shipped_table() -> None:
    wordings = read_wordings(TABLE)
    for text in (*TEMPLATES, "many planes are parked next to a long building in an airport", "a river and green trees"):
        assert not wordings.read(text.format("river")).words


@pytest.mark.parametrize("name", ["rsicd-mini", "prior-mini", "osdpm-mini"])
def test_packaged_models_read_words_by_the_table(name: str) -> None:
    model = load_model(name, "cpu")
    assert "river" in model.words_read_as("a creek")["creek"]
    creek, river, plain = model.encode_texts(["a creek", "a river", "a playground"])
    assert creek @ river > creek @ plain + 0.2


def test_the_mean_of_the_readings_is_what_a_text_becomes() -> None:
    model = load_model("rsicd-mini", "cpu")
    reading = read_wordings(TABLE).read("a creek beside a mill")
    assert len(reading.texts) > 2
    bare: RetrievalModel = load_model("rsicd-mini", "cpu")
    bare._wordings = NO_WORDINGS  # type: ignore[attr-defined]
    expected = (torch.tensor(reading.shares)[:, None] * bare.encode_texts(reading.texts)).sum(0)
    torch.testing.assert_close(model.encode_texts(["a creek beside a mill"])[0], expected / expected.norm())


def test_texts_beside_unknown_words_do_not_change() -> None:
    model = load_model("rsicd-mini", "cpu")
    alone = model.encode_texts(["a river"])
    torch.testing.assert_close(model.encode_texts(["a creek", "a river"])[1:], alone, rtol=1e-4, atol=1e-5)
    assert model.encode_texts([]).shape == (0, model.embed_dim)
