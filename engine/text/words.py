"""The lexicon of the local extractor: word lists of the package's ``lexicon`` folder, and English plurals.

The lists hold facts about words only: what a word can be in a description of a place. A word that is in none of them is
taken for a noun, unless its ending says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from functools import cache, lru_cache
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent / "lexicon"

# Plurals that the rules below would get wrong.
_IRREGULAR = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "feet": "foot", "shelves": "shelf",
    "wolves": "wolf", "leaves": "leaf", "roofs": "roof", "reefs": "reef", "wharves": "wharf", "axes": "axis",
    "oases": "oasis", "geese": "goose", "cacti": "cactus", "buses": "bus", "gases": "gas", "campuses": "campus",
    "viruses": "virus", "lives": "life", "knives": "knife", "calves": "calf", "caves": "cave", "canoes": "canoe",
    "mosquitoes": "mosquito", "volcanoes": "volcano", "heroes": "hero", "axles": "axle",
}  # fmt: skip
_SIBILANT_PLURALS = ("sses", "shes", "ches", "xes", "zes")
_SINGULAR_ENDINGS = ("ss", "us", "is")
_PARTICIPLE_ENDINGS = ("ed", "ing", "like", "-free", "-style", "-sized", "-colored", "-coloured")
_SHORTEST_PARTICIPLE = 5  # "bed", "ring" and "wing" are nouns
_REMEMBERED_WORDS = 1 << 16


class WordClass(Enum):
    """What a word can be, before its neighbours are looked at."""

    NOUN = auto()  # a listed thing
    UNKNOWN = auto()  # in no list: a noun where one fits
    NOUN_OR_ADJECTIVE = auto()
    NOUN_OR_VERB = auto()
    CLASSIFIER = auto()  # an adjective that stays with its noun
    ADJECTIVE = auto()
    VERB = auto()
    FUNCTION = auto()
    NUMBER = auto()


class PhraseTable:
    """Fixed phrases of several words, found by their first word, the longest first."""

    def __init__(self, phrases: Iterable[str], *, plural_heads: bool = False) -> None:
        self._plural_heads = plural_heads
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        for words in sorted((tuple(phrase.split()) for phrase in phrases), key=len, reverse=True):
            self._by_first.setdefault(words[0], []).append(words)

    def match(self, words: Sequence[str], start: int, stop: int) -> int:
        """How many words of ``words[start:stop]`` the longest phrase that begins at ``start`` covers, 0 for none."""
        for phrase in self._by_first.get(words[start], ()):
            end = start + len(phrase)
            if end > stop or tuple(words[start : end - 1]) != phrase[:-1]:
                continue
            last = words[end - 1]
            if last == phrase[-1] or (self._plural_heads and singular(last) == phrase[-1]):
                return len(phrase)
        return 0


class Lexicon:
    """The word lists; see the head of each file for what it holds."""

    def __init__(self, lists: Mapping[str, frozenset[str]]) -> None:
        self._nouns = lists["nouns"]
        self._qualities = lists["qualities"]
        self._weak = lists["weak_nouns"] | self._qualities
        self._games = lists["games"]
        self._modifiers = lists["modifiers"]
        self.compounds = PhraseTable(lists["compounds"], plural_heads=True)
        self.negators = PhraseTable(lists["negators"])
        self.not_negators = PhraseTable(lists["not_negators"])
        self._class: dict[str, WordClass] = {}
        # Later entries win: a word that is both keeps its more cautious reading.
        for name, word_class in (
            ("nouns", WordClass.NOUN),
            ("weak_nouns", WordClass.NOUN),
            ("qualities", WordClass.NOUN),
            ("adjectives", WordClass.ADJECTIVE),
            ("classifiers", WordClass.CLASSIFIER),
            ("verbs", WordClass.VERB),
            ("noun_or_verb", WordClass.NOUN_OR_VERB),
            ("noun_or_adjective", WordClass.NOUN_OR_ADJECTIVE),
            ("function_words", WordClass.FUNCTION),
        ):
            self._class.update(dict.fromkeys(lists[name], word_class))
        for phrase in lists["negators"]:
            self._class |= {word: WordClass.FUNCTION for word in phrase.split() if word not in self._nouns}

        self.classify = lru_cache(_REMEMBERED_WORDS)(self._classify)

    def _classify(self, word: str) -> WordClass:
        """The class of a lower-case word."""
        known = self._class.get(word)
        if known is not None:
            return known
        if not any(c.isalpha() for c in word):
            return WordClass.NUMBER
        if len(word) == 1 and word.isascii():
            return WordClass.FUNCTION
        of_singular = self._class.get(singular(word))
        if of_singular is WordClass.FUNCTION:
            return WordClass.FUNCTION
        if of_singular in (WordClass.NOUN, WordClass.NOUN_OR_ADJECTIVE, WordClass.NOUN_OR_VERB):
            return WordClass.NOUN if of_singular is WordClass.NOUN_OR_ADJECTIVE else of_singular
        if "-" in word and self._class.get(word.rsplit("-", 1)[1]) is WordClass.ADJECTIVE:
            return WordClass.ADJECTIVE
        if len(word) >= _SHORTEST_PARTICIPLE and word.endswith(_PARTICIPLE_ENDINGS):
            return WordClass.ADJECTIVE
        if len(word) >= _SHORTEST_PARTICIPLE and word.endswith("ly"):
            return WordClass.FUNCTION
        return WordClass.UNKNOWN

    def is_thing(self, word: str) -> bool:
        """Whether the word, in singular or plural, is listed as a thing of its own."""
        return word in self._nouns or singular(word) in self._nouns

    def is_weak(self, word: str) -> bool:
        """Whether the word, in singular or plural, names nothing that could be outlined."""
        return word in self._weak or singular(word) in self._weak

    def is_quality(self, word: str) -> bool:
        """Whether the word, in singular or plural, says how something is and so never heads a compound."""
        return word in self._qualities or singular(word) in self._qualities

    def is_game(self, word: str) -> bool:
        """Whether the word is, or belongs to, the name of a game ("table tennis")."""
        return word in self._games

    def is_modifier(self, word: str) -> bool:
        """Whether the word often stands before another noun ("river" in "river bank")."""
        return word in self._modifiers

    def is_plural(self, word: str) -> bool:
        """Whether the word is a plural, and not a singular that ends alike ("tennis", "crossroads")."""
        return word not in self._nouns and singular(word) != word


@lru_cache(_REMEMBERED_WORDS)
def singular(word: str) -> str:
    """The singular of an English noun, or of a phrase's last word; what is no plural comes back as it is."""
    before, space, last = word.rpartition(" ")
    irregular = _IRREGULAR.get(last)
    if irregular is not None:
        return before + space + irregular
    if len(word) < 4 or not word.endswith("s") or word.endswith(_SINGULAR_ENDINGS):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(_SIBILANT_PLURALS):
        return word[:-2]
    return word[:-1]


def distinct_keywords(keywords: Iterable[str]) -> tuple[str, ...]:
    """Without repetitions; singular and plural count as one, and the first wording stays."""
    kept: dict[str, str] = {}
    for keyword in keywords:
        kept.setdefault(singular(keyword), keyword)
    return tuple(kept.values())


@cache
def lexicon() -> Lexicon:
    """The lexicon that ships with the engine, read once."""
    by_word = ("nouns", "weak_nouns", "qualities", "games", "modifiers", "adjectives", "classifiers", "verbs",
               "noun_or_verb", "noun_or_adjective", "function_words")  # fmt: skip
    by_line = ("compounds", "negators", "not_negators")
    lists = {name: frozenset(word for line in _lines(name) for word in line.split()) for name in by_word}
    lists |= {name: frozenset(_lines(name)) for name in by_line}
    return Lexicon(lists)


def _lines(name: str) -> list[str]:
    lines = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
