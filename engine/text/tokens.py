"""A query as a list of tokens: words, quoted phrases, minus signs and punctuation, with their places in the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

_QUOTES = '"“”„«»'
_TOKEN = re.compile(
    rf"""
      (?P<minus>(?<![^\s(\[,;])[-−–](?=[^\W\d]|[{_QUOTES}]))   # before a word or quotation, and after a gap
    | [{_QUOTES}](?P<quote>[^{_QUOTES}]*\w[^{_QUOTES}]*)[{_QUOTES}]
    | (?P<word>(?<=\w)['’]s\b | [^\W]+(?:-[^\W]+|['’](?!s\b)[^\W]+)*)   # the 's of a possessive by itself
    | (?P<mark>[^\w\s])
    """,
    re.VERBOSE,
)
_GAP = re.compile(r"[\s_]+")


class TokenKind(Enum):
    WORD = auto()
    QUOTE = auto()
    MINUS = auto()
    MARK = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` is ``query[start:end]``; for a quotation the words inside, while start and end include the marks."""

    kind: TokenKind
    text: str
    start: int
    end: int


def normalise_query(query: str) -> str:
    """Lower case, compatibility characters unified (NFKC), gaps and underscores to one space, trimmed."""
    return _GAP.sub(" ", unicodedata.normalize("NFKC", query).lower()).strip()


def tokenise(text: str) -> list[Token]:
    """Tokens of a normalised query, in order."""
    return [_token(match) for match in _TOKEN.finditer(text)]


def unquoted(text: str, tokens: Sequence[Token]) -> str:
    """``text`` from the first of ``tokens`` on, without quotation marks."""
    parts: list[str] = []
    at = tokens[0].start
    for token in tokens:
        parts.append(text[at : token.start])
        parts.append(token.text)
        at = token.end
    parts.append(text[at:])
    return "".join(parts)


def _token(match: re.Match[str]) -> Token:
    start, end = match.span()
    if match.lastgroup == "word":
        return Token(TokenKind.WORD, match.group(), start, end)
    if match.lastgroup == "quote":
        return Token(TokenKind.QUOTE, match.group("quote").strip(), start, end)
    kind = TokenKind.MINUS if match.lastgroup == "minus" else TokenKind.MARK
    return Token(kind, match.group(), start, end)
