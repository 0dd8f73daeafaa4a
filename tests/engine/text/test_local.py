"""The local keyword extractor: what it takes for a keyword, what it leaves out, and what it takes for a negation."""

from __future__ import annotations

from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.text.contract import Keywords
from engine.text.local import LocalKeywordExtractor
from engine.text.tokens import normalise_query
from engine.text.words import lexicon

EXTRACTOR = LocalKeywordExtractor()

POSITIVE: list[tuple[str, list[str]]] = [
    # compounds, alone and in sentences
    ("parking lot", ["parking lot"]),
    ("storage tanks", ["storage tanks"]),
    ("tennis courts beside a parking lot", ["tennis courts", "parking lot"]),
    ("a baseball field near a swimming pool", ["baseball field", "swimming pool"]),
    ("a railway station next to some buildings", ["railway station", "buildings"]),
    ("ground track field", ["ground track field"]),
    ("a football field and a ground track field", ["football field", "ground track field"]),
    ("running track inside a stadium", ["running track", "stadium"]),
    ("wind turbines", ["wind turbines"]),
    ("solar panels on roofs", ["solar panels", "roofs"]),
    ("sewage treatment plant", ["sewage treatment plant"]),
    ("a school football field", ["school football field"]),
    ("zeppelin hangar", ["zeppelin hangar"]),
    ("city center", ["city center"]),
    ("bare land", ["bare land"]),
    ("river bridge", ["river bridge"]),
    # adjectives of look go, class adjectives stay
    ("white storage tanks", ["storage tanks"]),
    ("many small green trees", ["trees"]),
    ("dense residential area", ["residential area"]),
    ("large industrial buildings", ["industrial buildings"]),
    ("a piece of green land", ["land"]),
    ("a fan-shaped pond", ["pond"]),
    ("red-roofed houses", ["houses"]),
    # plurals, case, punctuation, numbers
    ("PARKING LOT!!!", ["parking lot"]),
    ("Two tennis courts.", ["tennis courts"]),
    ("12 storage tanks", ["storage tanks"]),
    ("3 planes, 4 boats", ["planes", "boats"]),
    ("(churches)", ["churches"]),
    ("storage_tanks", ["storage tanks"]),
    ("a  river \t with\nbridges", ["river", "bridges"]),
    ("harbour with boats", ["harbour", "boats"]),
    ("a tree beside other trees", ["tree"]),
    # plain lists
    ("trees, pond, road", ["trees", "pond", "road"]),
    ("trees pond road", ["trees", "pond", "road"]),
    ("forest river bridge", ["forest", "river", "bridge"]),
    ("trees/roads", ["trees", "roads"]),
    ("trees & roads", ["trees", "roads"]),
    ("tennis court swimming pool", ["tennis court", "swimming pool"]),
    ("tennis court - pool", ["tennis court", "pool"]),
    ("- church\n- school", ["church", "school"]),
    # captions and requests
    ("many green trees are around a playground .", ["trees", "playground"]),
    ("three planes are parked near a terminal", ["planes", "terminal"]),
    ("boats are docked neatly in the port", ["boats", "port"]),
    ("buildings in two sides of a curved river", ["buildings", "river"]),
    ("satellite image of a harbor", ["harbor"]),
    ("find me planes on the runway", ["planes", "runway"]),
    ("show all swimming pools", ["swimming pools"]),
    # words that are two things
    ("a square with a fountain", ["square", "fountain"]),
    ("a square building", ["building"]),
    ("an orange roof", ["roof"]),
    ("the water is green", ["water"]),
    ("a park with trees", ["park", "trees"]),
    ("many cars park beside the road", ["cars", "road"]),
    ("a road crosses the river", ["road", "river"]),
    ("houses line the street", ["houses", "street"]),
    ("the river turns left", ["river"]),
    ("three bridges span the river", ["bridges", "river"]),
    ("a viaduct span the road", ["viaduct", "road"]),
    ("a plain with a river", ["plain", "river"]),
    # scenes' names used as nouns
    ("a road in a dense residential", ["road", "residential"]),
    ("a center with shops", ["center", "shops"]),
    ("trees in the center of a square", ["trees", "square"]),
    ("two cars in the parking", ["cars", "parking"]),
    ("the building is residential", ["building"]),
    # what is said of a thing, and what it is only compared to
    ("the mountain texture is clear", ["mountain"]),
    ("the airport facilities are complete", ["airport"]),
    ("sports facilities", ["sports facilities"]),
    ("a building like a pot", ["building"]),
    ("something like a harbour", ["harbour"]),
    ("a fan shaped pond", ["pond"]),
    ("planes on the ground", ["planes"]),
    ("the ground is a meadow", ["ground", "meadow"]),
    ("on the ground track field", ["ground track field"]),
    # games
    ("people play basketball, football and table tennis in the stadium", ["people", "stadium"]),
    ("children playing football beside football fields", ["children", "football fields"]),
    ("football, pool", ["football", "pool"]),
    # possessives
    ("the airport's runway", ["airport", "runway"]),
    ("the airport’s runway", ["airport", "runway"]),
    ("it's a pond", ["pond"]),
    # no noun: the whole query
    ("dense residential", ["dense residential"]),
    ("Commercial", ["commercial"]),
    ("center", ["center"]),
    ("very crowded", ["very crowded"]),
    ("747", ["747"]),
    # words that no list has
    ("roundabout", ["roundabout"]),
    ("a quonset hut", ["quonset hut"]),
    ("озеро", ["озеро"]),
    # quotations stay whole, negations in them too
    ('"white roof" near a lake', ["white roof", "lake"]),
    ("beach not far from the town", ["beach", "town"]),
    ("not only trees", ["trees"]),
]

NEGATIVE: list[tuple[str, list[str], list[str], str]] = [
    ("parking lot without cars", ["parking lot"], ["cars"], "parking lot"),
    ("a house not near water", ["house"], ["water"], "a house"),
    ("tennis court -pool", ["tennis court"], ["pool"], "tennis court"),
    ('tennis court -"parking lot"', ["tennis court"], ["parking lot"], "tennis court"),
    ("tennis court -parking lot", ["tennis court"], ["parking lot"], "tennis court"),
    ("-pool tennis court", ["tennis court"], ["pool"], "tennis court"),
    ("tennis court -pool -trees", ["tennis court"], ["pool", "trees"], "tennis court"),
    ("tennis court –pool", ["tennis court"], ["pool"], "tennis court"),
    ("roof -white", ["roof"], ["white"], "roof"),
    ("airport without trees, cars or boats", ["airport"], ["trees", "cars", "boats"], "airport"),
    ("airport without trees, cars", ["airport", "cars"], ["trees"], "airport, cars"),
    ("field with no trees and cars", ["field"], ["trees", "cars"], "field"),
    ("field with no trees and a pond", ["field", "pond"], ["trees"], "field, a pond"),
    ("an airport and no planes", ["airport"], ["planes"], "an airport"),
    ("a lake without boats near a town", ["lake", "town"], ["boats"], "a lake near a town"),
    ("neither lakes nor rivers but a forest", ["forest"], ["lakes", "rivers"], "a forest"),
    ("stadium, no cars are visible", ["stadium"], ["cars"], "stadium"),
    ("no cars are visible in the parking lot", ["parking lot"], ["cars"], "in the parking lot"),
    ("house instead of apartment", ["house"], ["apartment"], "house"),
    ("industrial buildings excluding warehouses", ["industrial buildings"], ["warehouses"], "industrial buildings"),
    ("fields without rows of trees", ["fields"], ["trees"], "fields"),
    ("not surrounded by trees, a house", ["house"], ["trees"], "a house"),
    ("mountain without snow or trees, near a lake", ["mountain", "lake"], ["snow", "trees"], "mountain, near a lake"),
    ("a pier without any boats", ["pier"], ["boats"], "a pier"),
    ("no airport's runway, trees", ["trees"], ["airport", "runway"], "trees"),
    ("boats not located near water", ["boats"], ["water"], "boats"),
    ("a pond which is not very big is next to a road", ["pond", "road"], [], "a pond next to a road"),
    ("no one on the beach", ["beach"], [], "on the beach"),
    ("a road where traffic never stops", ["road", "traffic"], [], "a road where traffic"),
]


@pytest.mark.parametrize(("query", "keywords"), POSITIVE)
def test_nouns_and_compounds_are_found_in_order(query: str, keywords: list[str]) -> None:
    found = EXTRACTOR.extract(query)
    assert list(found.positives) == keywords
    assert found.negatives == ()


@pytest.mark.parametrize(("query", "positives", "negatives", "positive_text"), NEGATIVE)
def test_what_is_ruled_out_leaves_the_text_and_becomes_a_negative(
    query: str, positives: list[str], negatives: list[str], positive_text: str
) -> None:
    assert EXTRACTOR.extract(query) == Keywords(tuple(positives), tuple(negatives), positive_text)


def test_the_text_to_embed_is_the_whole_query_where_nothing_is_ruled_out() -> None:
    assert EXTRACTOR.extract('  Two  "Red Roofs" by a lake. ').positive_text == "two red roofs by a lake."


@pytest.mark.parametrize("query", ["", "   ", "!!!", "- - -", "\n\t", '""'])
def test_an_empty_query_is_refused_with_an_example(query: str) -> None:
    with pytest.raises(UsageError, match=r"The query is empty\. Say what to look for"):
        EXTRACTOR.extract(query)


@pytest.mark.parametrize(
    "query", ["no trees", "without cars", "-pool", '-"parking lot"', "there are no trees", "not green"]
)
def test_a_query_of_negations_alone_is_refused(query: str) -> None:
    with pytest.raises(UsageError, match="only what is not wanted"):
        EXTRACTOR.extract(query)


_WORDS = [
    "no",
    "without",
    "or",
    "and",
    ",",
    "not",
    "far",
    "-",
    '"',
    "of",
    "trees",
    "parking",
    "lot",
    "green",
    "are",
    "a",
]


@settings(deadline=None)
@given(
    st.one_of(st.text(), st.lists(st.sampled_from([*_WORDS, "-pool", "tennis court", "ß", "İ", "Σ."])).map(" ".join))
)
def test_any_text_gives_keywords_that_it_contains_or_a_usage_error(query: str) -> None:
    try:
        found = EXTRACTOR.extract(query)
    except UsageError:
        return
    text = normalise_query(query)
    assert found.positives
    assert found.positive_text.strip()
    unquoted = {keyword for keyword in found.positives if keyword != found.positive_text}
    assert all(keyword and keyword in text for keyword in unquoted | set(found.negatives))


_THINGS = st.lists(
    st.sampled_from(["trees", "ponds", "parking lots", "storage tanks", "football fields", "roads", "wind turbines"]),
    min_size=1,
    unique=True,
)


@settings(deadline=None)
@given(_THINGS, st.sampled_from([", ", " and ", "; ", " / ", "\n", " near many "]))
def test_a_list_of_things_comes_back_as_it_is_whatever_joins_it(things: list[str], joint: str) -> None:
    assert EXTRACTOR.extract(joint.join(things)) == Keywords(tuple(things), (), joint.join(things).replace("\n", " "))


@settings(deadline=None)
@given(_THINGS, _THINGS, st.sampled_from(["", '"']))
def test_what_follows_a_minus_sign_is_a_negative_and_nothing_else_is(
    things: list[str], ruled_out: list[str], quote: str
) -> None:
    query = ", ".join(things) + "".join(f" -{quote}{thing}{quote}" for thing in ruled_out)
    assert EXTRACTOR.extract(query) == Keywords(tuple(things), tuple(ruled_out), ", ".join(things))


@settings(deadline=None)
@given(_THINGS, st.sampled_from(["without", "no", "excluding", "lacking", "but no"]))
def test_what_or_joins_to_a_negation_is_ruled_out(things: list[str], negator: str) -> None:
    found = EXTRACTOR.extract(f"a harbour {negator} {' or '.join(things)}")
    assert found == Keywords(("harbour",), tuple(things), "a harbour")


def test_every_listed_compound_stays_whole_in_singular_and_plural() -> None:
    lines = (files("engine.text") / "lexicon" / "compounds.txt").read_text(encoding="utf-8").splitlines()
    compounds = [line for line in lines if line and not line.startswith("#")]
    assert len(compounds) > 150
    for compound in compounds:
        assert EXTRACTOR.extract(f"two small {compound}s near a zeppelin").positives == (f"{compound}s", "zeppelin")
        assert EXTRACTOR.extract(f"a {compound}").positives == (compound,)


def test_listed_things_are_things_in_the_plural_too() -> None:
    words = lexicon()
    assert words.is_thing("churches")
    assert words.is_thing("factories")
    assert not words.is_plural("tennis")
    assert not words.is_plural("crossroads")
