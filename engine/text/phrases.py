"""Noun phrases of a token list: which words act as nouns, and which of them belong together."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from engine.text.tokens import Token, TokenKind
from engine.text.words import Lexicon, WordClass

_NOUN_LIKE = frozenset({WordClass.NOUN, WordClass.UNKNOWN, WordClass.NOUN_OR_ADJECTIVE, WordClass.NOUN_OR_VERB})
_BEFORE_NOUN = _NOUN_LIKE | {WordClass.ADJECTIVE, WordClass.CLASSIFIER}
_COPULAS = frozenset({"is", "are", "was", "were", "be", "in"})  # "is green", "painted in green"
_BEFORE_VERB = frozenset({"to", "that", "which", "who", "they", "it", "can", "will", "not", "never", "cannot"})
_PLAY = frozenset({"play", "plays", "playing", "played"})
_JOINS = frozenset({"and", "or", ","})
_ARTICLES = frozenset({"a", "an", "the"})
_DETERMINERS = _ARTICLES | {"this", "these", "those"}
_COMPARISONS = frozenset({"like", "as"})
_ON_THE_GROUND = ("on", "the", "ground")  # where everything is
# Scenes of their own ("a center with shops"), unless they say where something is ("in the center of").
_CENTERS = frozenset({"center", "centre"})
_BEFORE_PLACE = frozenset({"the", "its", "in", "at"})
_LIST_LENGTH = 3  # so many known things in a row are a list, whichever of them may stand before a noun


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """Tokens ``first`` to ``last`` (inclusive); ``weak``: it names nothing that could be outlined."""

    first: int
    last: int
    text: str
    weak: bool


@dataclass(frozen=True, slots=True)
class _Unit:
    """A single noun, or a listed compound, of a run of nouns."""

    first: int
    last: int
    compound: bool


def noun_phrases(text: str, tokens: Sequence[Token], lexicon: Lexicon) -> list[NounPhrase]:
    """Noun phrases in order of appearance.

    Adjectives of look are left out, class adjectives kept; a quotation is a phrase whatever it holds.
    """
    words = [token.text if token.kind is TokenKind.WORD else "" for token in tokens]
    found: list[NounPhrase] = []
    run: list[_Unit] = []
    played = _played(tokens, words, lexicon)

    def close() -> None:
        for part in _split(run, words, lexicon):
            first, last = part[0].first, part[-1].last
            weak = _is_weak(part, played, words, lexicon) or (
                _is_compared(words, first, lexicon) and any(not phrase.weak for phrase in found)
            )
            found.append(NounPhrase(first, last, text[tokens[first].start : tokens[last].end], weak))
        run.clear()

    i = 0
    while i < len(tokens):
        if tokens[i].kind is TokenKind.QUOTE:
            close()
            found.append(NounPhrase(i, i, tokens[i].text, weak=False))
        elif tokens[i].kind is not TokenKind.WORD:
            close()
        elif length := lexicon.compounds.match(words, i, len(words)):
            run.append(_Unit(i, i + length - 1, compound=True))
            i += length - 1
        elif _acts_as_noun(words, i, bool(run), lexicon):
            run.append(_Unit(i, i, compound=False))
        else:
            close()
        i += 1
    close()
    return found


def _acts_as_noun(words: Sequence[str], i: int, after_noun: bool, lexicon: Lexicon) -> bool:
    word = words[i]
    before = words[i - 1] if i else ""
    after, second = (words[j] if j < len(words) else "" for j in (i + 1, i + 2))
    if after == "shaped" and second not in _COMPARISONS:  # "a fan shaped square"
        return False
    match lexicon.classify(word):
        case WordClass.NOUN | WordClass.UNKNOWN:
            return True
        case WordClass.CLASSIFIER:
            if after and lexicon.classify(after) in _NOUN_LIKE:
                return True
            return words[_before_look(words, i, lexicon)] in _DETERMINERS  # "in a dense residential", for its area
        case WordClass.NOUN_OR_ADJECTIVE:
            return before not in _COPULAS and not (after and lexicon.classify(after) in _BEFORE_NOUN)
        case WordClass.NOUN_OR_VERB:
            if after_noun:  # a verb agrees with the noun before it: "cars park", "a road crosses"
                return lexicon.is_plural(before) == word.endswith("s") and after not in _DETERMINERS
            return before not in _BEFORE_VERB
        case _:
            return False


def _split(run: Sequence[_Unit], words: Sequence[str], lexicon: Lexicon) -> list[Sequence[_Unit]]:
    """A run of nouns as phrases: it ends after a plural, and a bare list of known things falls apart."""
    parts: list[list[_Unit]] = [[]]
    for unit in run:
        parts[-1].append(unit)
        if lexicon.is_plural(words[unit.last]):
            parts.append([])
    split: list[list[_Unit]] = []
    for part in parts:
        split.extend([[unit] for unit in part] if _is_list(part, words, lexicon) else [part])
    return [_trimmed(part, words, lexicon) for part in split if part]


def _is_list(part: Sequence[_Unit], words: Sequence[str], lexicon: Lexicon) -> bool:
    if not all(unit.compound or lexicon.is_thing(words[unit.last]) for unit in part):
        return False
    before_head = part[:-1]
    return len(part) >= _LIST_LENGTH or all(
        unit.compound or not lexicon.is_modifier(words[unit.last]) for unit in before_head
    )


def _trimmed(part: Sequence[_Unit], words: Sequence[str], lexicon: Lexicon) -> Sequence[_Unit]:
    """Without weak nouns in front and qualities at the end; one noun at least is left."""
    start, stop = 0, len(part)
    while stop > 1 and not part[stop - 1].compound and lexicon.is_quality(words[part[stop - 1].last]):
        stop -= 1
    while start < stop - 1 and not part[start].compound and lexicon.is_weak(words[part[start].last]):
        start += 1
    return part[start:stop]


def _is_weak(part: Sequence[_Unit], played: Set[int], words: Sequence[str], lexicon: Lexicon) -> bool:
    """Whether the phrase, where it stands, names nothing that could be outlined."""
    first, last = part[0].first, part[-1].last
    if first in played and last in played:
        return True
    if len(part) > 1 or part[0].compound:
        return False
    if tuple(words[max(0, last - 2) : last + 1]) == _ON_THE_GROUND:
        return True
    if words[last] in _CENTERS:
        after = words[last + 1] if last + 1 < len(words) else ""
        return after == "of" or (first > 0 and words[first - 1] in _BEFORE_PLACE)
    return lexicon.is_weak(words[last])


def _played(tokens: Sequence[Token], words: Sequence[str], lexicon: Lexicon) -> Set[int]:
    """The places of games that people play ("play football and table tennis"), and of what joins them."""
    found = set()
    playing = False
    for i, word in enumerate(words):
        if playing and (lexicon.is_game(word) or tokens[i].text in _JOINS):
            found.add(i)
        else:
            playing = word in _PLAY
    return found


def _is_compared(words: Sequence[str], first: int, lexicon: Lexicon) -> bool:
    """Whether the phrase from ``first`` on is what something only looks like ("is like a pot")."""
    before = _before_look(words, first, lexicon)
    if before > 0 and words[before] in _ARTICLES:
        before -= 1
    return words[before] == "like"


def _before_look(words: Sequence[str], i: int, lexicon: Lexicon) -> int:
    """The place of the word before ``i`` and the adjectives and numbers that lead to it, 0 at the beginning."""
    before = i - 1
    while before > 0 and lexicon.classify(words[before]) in (WordClass.ADJECTIVE, WordClass.NUMBER):
        before -= 1
    return max(0, before)
