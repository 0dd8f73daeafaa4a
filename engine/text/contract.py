"""The contract that every keyword extractor fulfils (docs/architecture.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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
