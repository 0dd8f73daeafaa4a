"""Other words for the nouns of training texts, so that people's wording is learned beside the benchmark's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import torch

from engine.resources import resource_path
from engine.text.words import singular


class Synonyms:
    """Replaces nouns by others of WordNet 3.0 (resources/recipes/synonyms.json says how these were chosen).

    Args:
        table: for a singular noun or noun compound, its other words.
        rate: chance that a text is changed, in one place.
    """

    def __init__(self, table: Mapping[str, Sequence[str]], rate: float) -> None:
        self.table = table
        self.rate = rate
        self.longest = max((len(noun.split()) for noun in table), default=0)

    @classmethod
    def shipped(cls, rate: float) -> Synonyms:
        return cls(json.loads(resource_path("recipes", "synonyms.json").read_text("utf-8"))["synonyms"], rate)

    def reword(self, text: str, generator: torch.Generator) -> str:
        """``text``, sometimes with one of its nouns replaced; a plural stays a plural."""
        if not self.rate or float(torch.rand((), generator=generator)) >= self.rate:
            return text
        places = self._places(text)
        if not places:
            return text
        start, end, noun, plural = places[_draw(len(places), generator)]
        words = self.table[noun]
        word = words[_draw(len(words), generator)]
        return f"{text[:start]}{plural_of(word) if plural else word}{text[end:]}"

    def _places(self, text: str) -> list[tuple[int, int, str, bool]]:
        """Where the table's nouns stand, the longest at each place: start, end, noun, whether in the plural."""
        words = list(re.finditer(r"[A-Za-z]+", text))
        found, at = [], 0
        while at < len(words):
            for length in range(min(self.longest, len(words) - at), 0, -1):
                start, end = words[at].start(), words[at + length - 1].end()
                phrase = text[start:end].lower()
                noun = singular(phrase)
                if noun in self.table:
                    found.append((start, end, noun, phrase != noun))
                    at += length - 1
                    break
            at += 1
        return found


def plural_of(noun: str) -> str:
    """The regular plural of a noun or noun compound."""
    if noun.endswith("s") and not noun.endswith("ss"):
        return noun  # as in "headquarters", or a plural already
    if re.search(r"(s|x|z|ch|sh)$", noun):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if re.search(r"[^aeiou]y$", noun) else f"{noun}s"


def _draw(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))
