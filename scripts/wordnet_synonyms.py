"""Writes resources/recipes/synonyms.json: other words for the nouns of RSICD's training captions, from WordNet 3.0.

    .venv/bin/python scripts/wordnet_synonyms.py RSICD [WORDNET]

WORDNET is the folder with ``data.noun`` and ``index.noun`` (Debian's package wordnet-base has it). Nobody chose a word
by hand: of a noun's senses (things, places, plants, substances) the one is taken whose gloss all-MiniLM-L6-v2 finds
nearest to the captions with the noun; of that sense the other words, of its parent and children (where these are few)
the words, and of all these what the same encoder finds near enough to the noun.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from engine.datasets.rsicd import read_split
from engine.errors import UsageError
from engine.models.compact.text_tower import TextTower, TextTowerConfig
from engine.models.compact.tokenizer import build_tokenizer, tokenize
from engine.resources import resource_path
from engine.text.local import LocalKeywordExtractor
from engine.text.words import singular
from engine.train.packaged.base_weights import load_minilm, minilm_vocabulary

KINDS = {6, 15, 17, 20}  # WordNet's files noun.artifact, .location, .object, .plant
FEWEST_CAPTIONS = 5
CAPTIONS_READ = 40  # of those with a noun
GLOSS_FITS = 0.25
SIBLINGS = 25  # a parent of more children than this says too little
CHILDREN = 15
NEAR, NEAR_SAME_SENSE = 0.45, 0.35  # cosines of noun and other word


@dataclass(frozen=True)
class Sense:
    """A WordNet synset: file number, words, ids of parents and children, gloss."""

    kind: int
    words: list[str]
    parents: list[str]
    children: list[str]
    gloss: str


def main(rsicd: Path, wordnet: Path) -> None:
    senses, index = read_wordnet(wordnet)
    captions = captions_of_nouns(rsicd)
    encode = Encoder()
    table = {}
    for noun, texts in sorted(captions.items()):
        candidates = [senses[i] for i in index.get(noun, []) if senses[i].kind in KINDS]
        if len(texts) < FEWEST_CAPTIONS or not candidates:
            continue
        context = encode(texts[:CAPTIONS_READ]).mean(0)
        fit = encode([sense.gloss for sense in candidates]) @ context
        sense = candidates[int(fit.argmax())]
        if float(fit.max()) >= GLOSS_FITS and (words := other_words(noun, sense, senses, encode)):
            table[noun] = words
    about = "WordNet 3.0, Princeton University, see WORDNET-LICENSE; chosen by scripts/wordnet_synonyms.py"
    out = {"source": about, "synonyms": table}
    resource_path("recipes", "synonyms.json").write_text(json.dumps(out, indent=0) + "\n", encoding="utf-8")
    print(f"{len(table)} nouns, {sum(map(len, table.values()))} other words")


def other_words(noun: str, sense: Sense, senses: dict[str, Sense], encode: Encoder) -> list[str]:
    parents = [w for p in sense.parents if len(senses[p].children) <= SIBLINGS for w in senses[p].words]
    children = [w for c in sense.children for w in senses[c].words[:2]] if len(sense.children) <= CHILDREN else []
    words = [w for w in dict.fromkeys(sense.words + parents + children) if usable(w) and w != noun]
    if not words:
        return []
    near = (encode(words) @ encode([noun])[0]).tolist()
    return [w for w, c in zip(words, near, strict=True) if c >= (NEAR_SAME_SENSE if w in sense.words else NEAR)]


def usable(word: str) -> bool:
    return bool(re.fullmatch(r"[a-z]{3,}([ -][a-z]+){0,2}", word))


def captions_of_nouns(rsicd: Path) -> dict[str, list[str]]:
    extractor = LocalKeywordExtractor()
    found: dict[str, list[str]] = {}
    for image in read_split(rsicd, "train"):
        for caption in dict.fromkeys(image.captions):
            try:
                keywords = extractor.extract(caption).positives
            except UsageError:  # no word in it, or only negations
                continue
            for noun in {singular(keyword) for keyword in keywords}:
                found.setdefault(noun, []).append(caption)
    return found


def read_wordnet(folder: Path) -> tuple[dict[str, Sense], dict[str, list[str]]]:
    """All noun senses by their id, and for each word the ids of its senses, the most frequent first."""
    senses = {}
    for line in _lines(folder / "data.noun"):
        fields, gloss = line.split("|", 1)
        field = fields.split()
        count = int(field[3], 16)
        words = [field[4 + 2 * i].replace("_", " ") for i in range(count)]
        at = 4 + 2 * count
        pointers = [field[at + 1 + 4 * i : at + 5 + 4 * i] for i in range(int(field[at]))]
        up, down = ([p[1] for p in pointers if p[0] == mark and p[2] == "n"] for mark in "@~")
        senses[field[0]] = Sense(int(field[1]), words, up, down, gloss.strip())
    index = {}
    for line in _lines(folder / "index.noun"):
        field = line.split()
        index[field[0].replace("_", " ")] = field[-int(field[2]) :]
    return senses, index


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text("latin-1").splitlines() if not line.startswith(" ")]  # less the licence


class Encoder:
    """all-MiniLM-L6-v2: texts to unit vectors ``(T, 384)``."""

    def __init__(self) -> None:
        vocabulary = minilm_vocabulary()
        config = TextTowerConfig(len(vocabulary))
        self.tower = TextTower(config).eval()
        load_minilm(self.tower, vocabulary)
        self.tokenizer = build_tokenizer(vocabulary, config.positions)

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        return normalize(self.tower(*tokenize(self.tokenizer, list(texts))), dim=-1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "/usr/share/wordnet"))
