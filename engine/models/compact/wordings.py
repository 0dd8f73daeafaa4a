"""Words that a model was not taught, said in words that it was.

A compact model knows the words of its training captions and few others: "creek" says nothing to one that read of
rivers only. A table names for such words the nouns that come nearest (``resources/models/rsicd-words.json``, made by
``scripts/wording_table.py`` from a thesaurus and WordNet). A text with such words is embedded as the mean of itself and
of what it says in known words. What a model was taught is in no table and stays as it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from heapq import nlargest
from operator import itemgetter
from pathlib import Path

from pydantic import TypeAdapter

from engine.errors import ModelError
from engine.text.words import singular

OWN_SHARE = 0.15  # of the text as it is
LONGEST_PHRASE = 3  # words
MOST_TEXTS = 8  # that one text is said by
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_DIGITS = 12
_Table = TypeAdapter(dict[str, dict[str, float]])


@dataclass(frozen=True, slots=True)
class Reading:
    """A text, and the texts whose weighted mean stands for it.

    Attributes:
        texts: the text itself first, then what it says in known words.
        shares: of each, together 1.
        words: which unknown words stand for which known ones, the nearest first.
    """

    texts: tuple[str, ...]
    shares: tuple[float, ...]
    words: dict[str, tuple[str, ...]]


class Wordings:
    """Reads texts for a model.

    Args:
        table: for words and phrases that the model does not know, lower case and in singular, the known nouns and their
            shares.
        digest: tells tables apart; empty for none.
    """

    def __init__(self, table: Mapping[str, Mapping[str, float]], digest: str = "") -> None:
        self._table, self.digest = table, digest

    def read(self, text: str) -> Reading:
        """How a text is to be embedded; of overlapping phrases the longest counts."""
        words: dict[str, tuple[str, ...]] = {}
        said, at = [("", 1.0)], 0
        for start, end, nouns in self._unknown(text):
            words[text[start:end]] = tuple(nouns)
            longer = (
                (before + text[at:start] + noun, share * factor)
                for before, share in said
                for noun, factor in nouns.items()
            )
            said, at = nlargest(MOST_TEXTS, longer, key=itemgetter(1)), end  # the best all begin with some of the best
        if not words:
            return Reading((text,), (1.0,), {})
        total = sum(share for _, share in said)
        shares = (OWN_SHARE, *((1 - OWN_SHARE) * share / total for _, share in said))
        return Reading((text, *(before + text[at:] for before, _ in said)), shares, words)

    def _unknown(self, text: str) -> list[tuple[int, int, Mapping[str, float]]]:
        """Unknown words and phrases: where they begin and end, and the nouns for them."""
        words = list(_WORD.finditer(text))
        found: list[tuple[int, int, Mapping[str, float]]] = []
        at = 0
        while at < len(words):
            for count in range(min(LONGEST_PHRASE, len(words) - at), 0, -1):
                start, end = words[at].start(), words[at + count - 1].end()
                nouns = self._nouns(text[start:end])
                if nouns:
                    found.append((start, end, nouns))
                    at += count
                    break
            else:
                at += 1
        return found

    def _nouns(self, phrase: str) -> Mapping[str, float] | None:
        key = " ".join(phrase.lower().split())
        forms = (key, singular(key), singular(key.replace("-", " ")))
        return next((self._table[form] for form in forms if form in self._table), None)


NO_WORDINGS = Wordings({})


@cache
def read_wordings(file: Path) -> Wordings:
    """The wordings of a table file: JSON with ``source`` and ``words``.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        content = file.read_bytes()
        words = _Table.validate_python(json.loads(content)["words"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"The word table {file} cannot be read: {error}.", "Reinstall the plugin.") from error
    return Wordings(words, hashlib.sha256(content).hexdigest()[:_DIGITS])
