"""Noun phrases of a token list: which words act as nouns, and which of them belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.text.tokens import Token, TokenKind
from engine.text.words import Lexicon, WordClass

_NOUN_LIKE = frozenset({WordClass.NOUN, WordClass.UNKNOWN, WordClass.NOUN_OR_ADJECTIVE, WordClass.NOUN_OR_VERB})
_BEFORE_NOUN = _NOUN_LIKE | {WordClass.ADJECTIVE, WordClass.CLASSIFIER}
_COPULAS = frozenset({"is", "are", "was", "were", "be", "in"})  # "is green", "painted in green"
_BEFORE_VERB = frozenset({"to", "that", "which", "who", "they", "it", "can", "will"})
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

    def close() -> None:
        found.extend(_phrase(text, tokens, part, lexicon) for part in _split(run, words, lexicon))
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
    after = words[i + 1] if i + 1 < len(words) else ""
    match lexicon.classify(word):
        case WordClass.NOUN | WordClass.UNKNOWN:
            return True
        case WordClass.CLASSIFIER:
            return bool(after) and lexicon.classify(after) in _NOUN_LIKE
        case WordClass.NOUN_OR_ADJECTIVE:
            return before not in _COPULAS and not (after and lexicon.classify(after) in _BEFORE_NOUN)
        case WordClass.NOUN_OR_VERB:
            if after_noun:  # a verb agrees with the noun before it: "cars park", "a road crosses"
                return lexicon.is_plural(before) == word.endswith("s")
            return before not in _BEFORE_VERB
        case _:
            return False


def _split(run: Sequence[_Unit], words: Sequence[str], lexicon: Lexicon) -> list[list[_Unit]]:
    """A run of nouns as phrases: it ends after a plural, and a bare list of known things falls apart."""
    parts: list[list[_Unit]] = [[]]
    for unit in run:
        parts[-1].append(unit)
        if lexicon.is_plural(words[unit.last]):
            parts.append([])
    split: list[list[_Unit]] = []
    for part in parts:
        split.extend([[unit] for unit in part] if _is_list(part, words, lexicon) else [part])
    trimmed = (_without_weak_start(part, words, lexicon) for part in split if part)
    return list(trimmed)


def _is_list(part: Sequence[_Unit], words: Sequence[str], lexicon: Lexicon) -> bool:
    if not all(unit.compound or lexicon.is_thing(words[unit.last]) for unit in part):
        return False
    before_head = part[:-1]
    return len(part) >= _LIST_LENGTH or all(
        unit.compound or not lexicon.is_modifier(words[unit.last]) for unit in before_head
    )


def _without_weak_start(part: list[_Unit], words: Sequence[str], lexicon: Lexicon) -> list[_Unit]:
    start = 0
    while start < len(part) - 1 and not part[start].compound and lexicon.is_weak(words[part[start].last]):
        start += 1
    return part[start:]


def _phrase(text: str, tokens: Sequence[Token], part: Sequence[_Unit], lexicon: Lexicon) -> NounPhrase:
    first, last = part[0].first, part[-1].last
    weak = len(part) == 1 and not part[0].compound and lexicon.is_weak(tokens[last].text)
    return NounPhrase(first, last, text[tokens[first].start : tokens[last].end], weak)
