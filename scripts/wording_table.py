"""Writes resources/models/rsicd-words.json: what words that RSICD does not use come nearest to among those it does.

    .venv/bin/python scripts/wording_table.py RSICD [WORDNET]

WORDNET is the folder with ``data.noun`` and ``index.noun`` (Debian's package wordnet-base has it). Words and phrases of
the thesaurus (resources/recipes/rsicd-thesaurus.tsv) are said as people wrote there. Of WordNet's other words nobody
chose one by hand: a word is compared with a noun of the training captions by

    0.5 · cosine of both as all-MiniLM-L6-v2 embeds them
  + 0.5 · cosine of the word's meaning (its gloss) and the captions with the noun
  + how near they lie in WordNet

and each word keeps the nouns that come nearest, if they are near enough. Takes some minutes.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize
from wordnet_synonyms import Encoder, captions_of_nouns, read_wordnet, usable

from engine.datasets.rsicd import read_split
from engine.resources import resource_path
from engine.segment.prompts import TEMPLATES
from engine.text.words import singular

KINDS = {6, 14, 15, 17, 20}  # WordNet's files noun.artifact, .group, .location, .object, .plant
SENSES = 4  # of a word, the most frequent ones
PROMPT_WORDS = {word for template in TEMPLATES for word in template.split()}
TAUGHT = 20  # a word, or phrase, that so many training captions have is left to the model
FEWEST_CAPTIONS = 20  # of a noun that others are said by
CAPTIONS_READ = 60  # of those with a noun
TOO_WIDE = 600  # a common ancestor of so many senses says nothing
UP_FROM_WORD, UP_FROM_NOUN = 4, 3
BY_STEPS = (0.4, 0.25, 0.12, 0.05, 0.02)  # the same synset, parent or child, brothers, …
NEAR_ENOUGH = 0.45
KEPT, SPREAD = 3, 0.2  # nouns a word; shares are a softmax of the nearness with this temperature
NEXT_BEST = 0.4  # of the share of the thesaurus's phrase before
THESAURUS = resource_path("recipes", "rsicd-thesaurus.tsv")


class Nouns:
    """The nouns that words are said by, as the encoder has them, and their places in WordNet."""

    def __init__(self, rsicd: Path, taught: Counter[str], wordnet: WordNet, encode: Encoder) -> None:
        captions = captions_of_nouns(rsicd)
        self.names = sorted(
            noun
            for noun, texts in captions.items()
            if len(texts) >= FEWEST_CAPTIONS and all(w in wordnet.index or taught[w] >= 200 for w in noun.split())
        )  # what is in no dictionary and not frequent is misspelt
        self.words = encode(self.names)
        self.context = normalize(torch.stack([encode(captions[n][:CAPTIONS_READ]).mean(0) for n in self.names]), dim=-1)
        self._below: dict[str, list[tuple[int, int]]] = {}
        for i, name in enumerate(self.names):
            senses = [s for s in wordnet.index.get(name, []) if wordnet.senses[s].kind in KINDS]
            if senses:
                fit = encode([wordnet.senses[s].gloss for s in senses]) @ self.context[i]
                for ancestor, steps in wordnet.ancestors(senses[int(fit.argmax())], UP_FROM_NOUN).items():
                    if wordnet.size(ancestor) < TOO_WIDE:
                        self._below.setdefault(ancestor, []).append((i, steps))

    def related(self, ancestors: dict[str, int]) -> Tensor:
        """What relation adds, ``(N,)``, for a sense with these ancestors."""
        found = torch.zeros(len(self.names))
        for ancestor, up in ancestors.items():
            for i, down in self._below.get(ancestor, ()):
                if up + down < len(BY_STEPS):
                    found[i] = max(float(found[i]), BY_STEPS[up + down])
        return found


class WordNet:
    """Noun senses and their order."""

    def __init__(self, folder: Path) -> None:
        self.senses, self.index = read_wordnet(folder)
        self.size = cache(self._size)

    def ancestors(self, sense: str, limit: int) -> dict[str, int]:
        """A sense and what is above it, with the steps to it."""
        found, front = {sense: 0}, [sense]
        for steps in range(1, limit + 1):
            front = [p for s in front for p in self.senses[s].parents if p not in found]
            found |= dict.fromkeys(front, steps)
        return found

    def _size(self, sense: str, depth: int = 0) -> int:
        return 1 + sum(self.size(c, depth + 1) for c in self.senses[sense].children) if depth < 7 else 1


def main(rsicd: Path, wordnet_folder: Path) -> None:
    encode, wordnet, taught = Encoder(), WordNet(wordnet_folder), phrases_taught(rsicd)
    nouns = Nouns(rsicd, taught, wordnet, encode)
    near = dict(from_wordnet(wordnet, nouns, taught, encode))
    table = {word: shares for word in near if (shares := nearest(near[word], nouns.names))}
    table |= from_thesaurus(THESAURUS.read_text("utf-8"), taught)
    table = {word: {n: share for n, share in table[word].items() if n not in table} for word in sorted(table)}
    table = {word: scaled(shares) for word, shares in table.items() if shares}
    about = (
        "../recipes/rsicd-thesaurus.tsv, and for other words WordNet 3.0, Princeton University, see"
        " ../recipes/WORDNET-LICENSE; made by scripts/wording_table.py"
    )
    text = json.dumps({"source": about, "words": table}, indent=0, separators=(",", ":"))
    resource_path("models", "rsicd-words.json").write_text(text + "\n", encoding="utf-8")
    print(f"{len(table)} words, {len(nouns.names)} nouns")


def from_wordnet(wordnet: WordNet, nouns: Nouns, taught: Counter[str], encode: Encoder) -> Iterator[tuple[str, Tensor]]:
    """Words and how near they are to the nouns ``(N,)``."""
    candidates = {}
    for word, places in wordnet.index.items():
        # What has no parents is a proper name, an instance of something.
        senses = [s for s in places[:SENSES] if wordnet.senses[s].kind in KINDS and wordnet.senses[s].parents]
        if senses and wanted(word, taught):
            candidates[word] = senses
    glosses = {s: wordnet.senses[s].gloss for senses in candidates.values() for s in senses}
    meant = dict(zip(glosses, encoded(encode, glosses.values(), "meanings") @ nouns.context.T, strict=True))
    for word, said in zip(candidates, encoded(encode, candidates, "words") @ nouns.words.T, strict=True):
        related = [nouns.related(wordnet.ancestors(s, UP_FROM_WORD)) for s in candidates[word]]
        rows = [0.5 * meant[s] + r for s, r in zip(candidates[word], related, strict=True)]
        nearness = 0.5 * said + torch.stack(rows).amax(0)
        strangers = torch.stack(related).amax(0) == 0
        alike = torch.tensor([bool(set(name.split()) & set(word.replace("-", " ").split())) for name in nouns.names])
        yield word, nearness.masked_fill(strangers & alike, -1.0)  # a church bench is no church


def from_thesaurus(text: str, taught: Counter[str]) -> dict[str, dict[str, float]]:
    """The thesaurus's words that the model was not taught, and how they are said."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            word, _, phrases = line.partition("\t")
            if taught[word] < TAUGHT:
                found[word] = scaled({phrase: NEXT_BEST**i for i, phrase in enumerate(phrases.split("; "))})
    return found


def scaled(shares: dict[str, float]) -> dict[str, float]:
    """Shares of sum 1."""
    whole = sum(shares.values())
    return {phrase: round(share / whole, 2) for phrase, share in shares.items()}


def phrases_taught(rsicd: Path) -> Counter[str]:
    """How many training captions have a phrase of one to three words, its last word in singular."""
    count: Counter[str] = Counter()
    for image in read_split(rsicd, "train"):
        for caption in dict.fromkeys([*image.captions, *image.paraphrases]):
            words = re.findall(r"[a-z]+", caption.lower())
            count.update({singular(" ".join(words[i : i + n])) for n in (1, 2, 3) for i in range(len(words) - n + 1)})
    return count


def wanted(word: str, taught: Counter[str]) -> bool:
    return usable(word) and word not in PROMPT_WORDS and taught[singular(word)] < TAUGHT


def nearest(nearness: Tensor, names: Sequence[str]) -> dict[str, float]:
    """The nouns that say the word, the nearest first, and their shares."""
    values, places = nearness.topk(KEPT)
    kept = values >= NEAR_ENOUGH
    shares = torch.softmax(values[kept] / SPREAD, 0)
    return {names[p]: round(s, 2) for p, s in zip(places[kept].tolist(), shares.tolist(), strict=True)}


def encoded(encode: Encoder, texts: Iterable[str], what: str, at_once: int = 256) -> Tensor:
    """Unit vectors ``(T, 384)``; texts of like length in one call."""
    all_texts = list(texts)
    order = sorted(range(len(all_texts)), key=lambda i: len(all_texts[i]))
    out = torch.empty(len(all_texts), 384)
    for start in range(0, len(order), at_once):
        places = order[start : start + at_once]
        out[places] = encode([all_texts[i] for i in places])
        print(f"\r{what}: {min(start + at_once, len(order))} of {len(order)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return out


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "/usr/share/wordnet"))
