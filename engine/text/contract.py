"""The contract that every keyword extractor fulfils (docs/architecture.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.errors import UsageError


@dataclass(frozen=True, slots=True)
class Keywords:
    """Nouns and noun compounds of a query in order of appearance, lower case; ``negatives`` lower a tile's score.

    ``positive_text`` is the query without its negated parts, which is what is embedded.
    """

    positives: tuple[str, ...]
    negatives: tuple[str, ...]
    positive_text: str


class KeywordExtractor(Protocol):
    """Finds the keywords of a query."""

    def extract(self, query: str) -> Keywords: ...


def check_query(query: str) -> None:
    """To be asked before anything is loaded for a query.

    Raises:
        UsageError: there is nothing in it.
    """
    if not query.strip():
        raise UsageError("The query is empty.", 'Say what to look for, for example "tennis courts".', query=query)
