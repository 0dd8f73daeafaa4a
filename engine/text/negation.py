"""What a query rules out: words of negation and the minus sign, and how far each reaches."""

from __future__ import annotations

from collections.abc import Sequence

from engine.text.phrases import NounPhrase
from engine.text.tokens import Token, TokenKind
from engine.text.words import Lexicon, WordClass

_BELONGING = frozenset({"of", "'s", "’s"})
_COORDINATORS = frozenset({"or", "nor"})
_CONTRAST = frozenset({"but", "with", "while", "whereas", "although", "though", "and"})
_PLACES = frozenset(
    {"in", "on", "at", "near", "beside", "around", "next", "along", "between", "behind", "inside", "outside"}
)
_ANYTHING = frozenset({"one", "thing", "things", "else"})
_AUXILIARIES = frozenset({"is", "are", "was", "were", "can", "could", "should", "may", "has", "have"})
_BARE = frozenset({WordClass.ADJECTIVE, WordClass.CLASSIFIER, WordClass.NOUN, WordClass.UNKNOWN,
                   WordClass.NOUN_OR_ADJECTIVE, WordClass.NOUN_OR_VERB})  # fmt: skip


def negated_spans(tokens: Sequence[Token], phrases: Sequence[NounPhrase], lexicon: Lexicon) -> list[tuple[int, int]]:
    """Half-open token ranges that are ruled out, sign or word of negation included, in order and apart.

    A minus sign reaches over the next word, listed compound or quotation. A word of negation reaches over the next noun
    phrase, what "of" adds to it, and the phrases that "or" or a bare "and" join to it; a comma ends it, unless it
    separates items of a list that ends with "or". "Not only", "not far" and their like negate nothing.
    """
    scope = _Scope(tokens, phrases, lexicon)
    spans: list[tuple[int, int]] = []
    i = 0
    while i < len(tokens):
        end = scope.of(i)
        if end:
            spans.append((i, end))
        i = max(end, i + 1)
    return spans


class _Scope:
    def __init__(self, tokens: Sequence[Token], phrases: Sequence[NounPhrase], lexicon: Lexicon) -> None:
        self._tokens = tokens
        self._words = [token.text if token.kind is TokenKind.WORD else "" for token in tokens]
        self._lexicon = lexicon
        self._phrase_at = {i: phrase for phrase in phrases for i in range(phrase.first, phrase.last + 1)}

    def of(self, i: int) -> int:
        """The end of what the token at ``i`` rules out, 0 where it rules out nothing."""
        if self._tokens[i].kind is TokenKind.MINUS:
            if i + 1 >= len(self._tokens):
                return 0
            return i + 1 + max(1, self._lexicon.compounds.match(self._words, i + 1, len(self._words)))
        if self._tokens[i].kind is not TokenKind.WORD or self._not_negating(i):
            return 0
        length = self._negator(i)
        return self._clause(self._reach(i + length)) if length else 0

    def _negator(self, i: int) -> int:
        if i >= len(self._tokens) or self._not_negating(i):
            return 0
        return self._lexicon.negators.match(self._words, i, len(self._words))

    def _not_negating(self, i: int) -> bool:
        return bool(self._lexicon.not_negators.match(self._words, i, len(self._words)))

    def _reach(self, i: int) -> int:
        """Past the noun phrase after ``i`` and all that is joined to it."""
        end = self._phrase(i)
        while end < len(self._tokens):
            following = self._phrase(end + 1) if self._joins(end) else end + 1
            if following == end + 1:
                break
            end = following
        return end

    def _joins(self, i: int) -> bool:
        """Whether the token at ``i`` joins what follows to the phrase before it."""
        word = self._words[i]
        if word == "and":
            return self._bare(i + 1)
        return word in _BELONGING or word in _COORDINATORS or (self._tokens[i].text == "," and self._list_goes_on(i))

    def _phrase(self, i: int) -> int:
        """Past the first noun phrase at or after ``i``; only as far as a mark, a contrast or another negation allow."""
        start = i
        while i < len(self._tokens):
            phrase = self._phrase_at.get(i)
            if phrase is not None:
                return phrase.last + 1
            at_start = i == start
            if self._tokens[i].kind is not TokenKind.WORD or (self._negator(i) and not at_start):
                break
            if not at_start and (self._words[i] in _CONTRAST or self._ends_description(i)):
                break
            i += 1
        return i

    def _ends_description(self, i: int) -> bool:
        """Whether the word at ``i`` leads on from what only says how something is not: "not big is", "no one on"."""
        if self._words[i] not in _AUXILIARIES | _PLACES:
            return False
        before = self._words[i - 1]
        return before in _ANYTHING or self._lexicon.classify(before) is WordClass.ADJECTIVE

    def _bare(self, i: int) -> bool:
        """Whether the word at ``i`` goes on with a list: "no trees and cars", but not "no trees and a pond"."""
        if i >= len(self._tokens) or self._tokens[i].kind is not TokenKind.WORD or self._negator(i):
            return False
        return self._lexicon.classify(self._words[i]) in _BARE

    def _list_goes_on(self, comma: int) -> bool:
        """Whether the bare phrases after the comma end in an "or"."""
        i = comma
        while i < len(self._tokens) and self._tokens[i].text == ",":
            if i + 1 < len(self._tokens) and self._words[i + 1] in _COORDINATORS:
                return True
            if not self._bare(i + 1):
                return False
            i = self._phrase(i + 1)
        return i < len(self._tokens) and self._words[i] in _COORDINATORS

    def _clause(self, end: int) -> int:
        """Past the rest of a clause of which the negated phrase is the subject ("no cars are visible")."""
        if end >= len(self._tokens) or self._words[end] not in _AUXILIARIES:
            return end
        while end < len(self._tokens) and self._words[end] and end not in self._phrase_at:
            if self._words[end] in _CONTRAST or self._words[end] in _PLACES or self._negator(end):
                break
            end += 1
        return end
