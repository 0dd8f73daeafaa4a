"""Keywords of a query by rules and a small lexicon: no network, no language model, thousands of queries a second."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import UsageError
from engine.text.contract import Keywords
from engine.text.negation import negated_spans
from engine.text.phrases import noun_phrases
from engine.text.tokens import Token, TokenKind, normalise_query, tokenise, unquoted
from engine.text.words import Lexicon, WordClass, distinct_keywords, lexicon

_EXAMPLE = 'Say what to look for, for example "tennis courts beside a parking lot".'
_CONJUNCTIONS = frozenset({"and", "or", "but", "nor", "while", "whereas", "although", "though"})


class LocalKeywordExtractor:
    """Finds nouns and noun compounds in English queries, captions and word lists.

    - Adjectives of colour, size and state are left out ("white storage tanks" gives "storage tanks"); class adjectives
      stay ("residential area").
    - A noun that names nothing one could outline ("piece", "side", "image") is left out.
    - A word in no list is taken for a noun, unless its ending speaks against it.
    - Negatives: words of negation ("no trees", "without cars", "not near water") and the minus sign
      (``tennis court -pool``, ``-"parking lot"``).
    - Words in double quotes stay together.
    """

    def __init__(self) -> None:
        self._lexicon = lexicon()

    def extract(self, query: str) -> Keywords:
        """Keywords of a query; where no noun is found, the positive text as a whole is the one keyword.

        Keywords and ``positive_text`` are pieces of the normalised query (:func:`engine.text.tokens.normalise_query`).

        Raises:
            UsageError: for a query without words, or one that says only what is not wanted.
        """
        text = normalise_query(query)
        tokens = tokenise(text)
        if not any(token.kind in (TokenKind.WORD, TokenKind.QUOTE) for token in tokens):
            raise UsageError("The query is empty.", _EXAMPLE, query=query)
        phrases = noun_phrases(text, tokens, self._lexicon)
        spans = negated_spans(tokens, phrases, self._lexicon)
        in_phrase = {i for phrase in phrases for i in range(phrase.first, phrase.last + 1)}
        silent = {i for i, token in enumerate(tokens) if i not in in_phrase and _says_nothing(token, self._lexicon)}
        positive_text = _positive_text(text, tokens, spans, silent)
        if not positive_text:
            raise UsageError(
                f'The query "{query.strip()}" says only what is not wanted.',
                "Add what to look for, for example: tennis court -pool.",
                query=query,
            )
        negated = {i for start, end in spans for i in range(start, end)}
        positives = distinct_keywords(p.text for p in phrases if not p.weak and p.first not in negated)
        negatives = distinct_keywords(
            phrase
            for start, end in spans
            for phrase in _negatives(
                text, tokens[start:end], [p.text for p in phrases if start <= p.first < end and not p.weak]
            )
        )
        return Keywords(positives or (positive_text,), negatives, positive_text)


def _negatives(text: str, span: Sequence[Token], phrases: list[str]) -> list[str]:
    """Keywords of one negated span; what follows a minus sign is one, noun or not."""
    if span[0].kind is not TokenKind.MINUS:
        return phrases
    if span[1].kind is TokenKind.QUOTE:
        return [span[1].text]
    return [text[span[1].start : span[-1].end]]


def _says_nothing(token: Token, words: Lexicon) -> bool:
    """Whether the token, outside a noun phrase, says nothing by itself: a mark or a function word."""
    if token.kind is TokenKind.WORD:
        return words.classify(token.text) is WordClass.FUNCTION
    return token.kind is not TokenKind.QUOTE


def _positive_text(text: str, tokens: Sequence[Token], spans: Sequence[tuple[int, int]], silent: set[int]) -> str:
    """The text without the negated spans, and without the conjunctions and prepositions that led to them.

    ``silent`` are the indices of tokens that say nothing by themselves.
    """
    if not spans:
        return unquoted(text, tokens).strip()
    pieces: list[str] = []
    starts = [0, *(end for _, end in spans)]
    stops = [*(start for start, _ in spans), len(tokens)]
    separated = False
    for first, last in zip(starts, stops, strict=True):
        start, stop = first, last
        while start < stop and (tokens[start].kind is TokenKind.MARK or tokens[start].text in _CONJUNCTIONS):
            start += 1
        while stop > start and stop - 1 in silent:
            stop -= 1
        if start < stop:
            piece = unquoted(text[: tokens[stop - 1].end], tokens[start:stop])
            pieces.append(piece if not pieces else (", " if separated or start > first else " ") + piece)
            separated = False
        separated |= any(tokens[i].kind is TokenKind.MARK for i in range(stop, last))
    return "".join(pieces)
