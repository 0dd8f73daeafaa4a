"""How well an extractor finds the keywords of captions that were labelled by hand, and how quickly.

python -m engine.evaluate.keywords --data RSICD --labels FILE.tsv --half development [--misses]

The labels name captions of RSICD's val split (tests/data/keywords/README.md has the convention); the captions come from
the data set.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.datasets.rsicd import read_split
from engine.errors import EngineError, UsageError
from engine.text.contract import KeywordExtractor
from engine.text.local import LocalKeywordExtractor

HALVES = ("development", "held_out")
_SPEED_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class LabelledCaption:
    """A caption and the keywords that a person found in it; ``half`` is one of ``HALVES``."""

    id: str
    half: str
    caption: str
    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WordScore:
    """Agreement word by word, summed over captions.

    Attributes:
        captions: how many were compared.
        matched: words that both have, as many times as both have them.
        found: words of the extractor's keywords.
        wanted: words of the labels.
    """

    captions: int
    matched: int
    found: int
    wanted: int

    @property
    def precision(self) -> float:
        return self.matched / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        return self.matched / self.wanted if self.wanted else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, micro-averaged over words."""
        total = self.found + self.wanted
        return 2 * self.matched / total if total else 1.0


def read_labels(labels: Path, data: Path) -> list[LabelledCaption]:
    """The labelled captions, in the file's order.

    Args:
        labels: tab-separated ``id``, ``half`` and ``keywords`` (comma and space between them), with a header.
        data: folder of RSICD.

    Raises:
        UsageError: one of them cannot be read, or a label's caption is not in the data.
    """
    captions = {
        f"{image.path.name}#{number}": caption
        for image in read_split(data, "val")
        for number, caption in enumerate(image.captions)
    }
    try:
        with labels.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
        return [
            LabelledCaption(
                row["id"], row["half"], captions[row["id"]], tuple(filter(None, row["keywords"].split(", ")))
            )
            for row in rows
        ]
    except OSError as error:
        raise UsageError(f"{labels} cannot be read: {error.strerror}.", "Give the file of labels.") from error
    except (KeyError, AttributeError) as error:
        raise UsageError(
            f"{labels} does not fit the captions in {data}: {error}.",
            "Give labels with the columns id, half and keywords, and the data set that they were written for.",
        ) from error


def word_score(extractor: KeywordExtractor, labelled: Iterable[LabelledCaption]) -> WordScore:
    """Compares the words of an extractor's positive keywords with the labels, each caption's as a multiset."""
    captions = matched = found = wanted = 0
    for caption in labelled:
        ours, theirs = _words(_found(extractor, caption.caption)), _words(caption.keywords)
        captions += 1
        matched += (ours & theirs).total()
        found += ours.total()
        wanted += theirs.total()
    return WordScore(captions, matched, found, wanted)


def captions_per_second(extractor: KeywordExtractor, captions: Sequence[str], seconds: float = _SPEED_SECONDS) -> float:
    """Captions a second of this thread's processor time, which other programs do not shorten.

    Whole rounds over ``captions``, until ``seconds`` have passed.
    """
    done = 0
    started = time.thread_time()
    while time.thread_time() - started < seconds:
        for caption in captions:
            _found(extractor, caption)
        done += len(captions)
    return done / (time.thread_time() - started)


def _found(extractor: KeywordExtractor, caption: str) -> tuple[str, ...]:
    """The positive keywords; none for what a search would refuse, such as "there are no trees"."""
    try:
        return extractor.extract(caption).positives
    except UsageError:
        return ()


def _words(keywords: Iterable[str]) -> Counter[str]:
    return Counter(word for keyword in keywords for word in keyword.split())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of RSICD")
    parser.add_argument("--labels", type=Path, required=True, help="captions' keywords as labelled by hand")
    parser.add_argument("--half", choices=HALVES, required=True, help="work on development; read held_out once")
    parser.add_argument("--misses", action="store_true", help="list captions with other keywords than the labels'")
    return parser


def main() -> int:
    """Prints the score of one half and the speed on all distinct captions of the val split as JSON."""
    args = _parser().parse_args()
    extractor = LocalKeywordExtractor()
    try:
        half = [caption for caption in read_labels(args.labels, args.data) if caption.half == args.half]
        distinct = list(dict.fromkeys(text for image in read_split(args.data, "val") for text in image.captions))
    except EngineError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    score = word_score(extractor, half)
    report = {
        "half": args.half,
        "captions": score.captions,
        "precision": round(score.precision, 4),
        "recall": round(score.recall, 4),
        "f1": round(score.f1, 4),
        "captions_per_s": round(captions_per_second(extractor, distinct)),
    }
    if args.misses:
        report["misses"] = [
            {"caption": caption.caption, "found": found, "wanted": list(caption.keywords)}
            for caption in half
            if _words(found := _found(extractor, caption.caption)) != _words(caption.keywords)
        ]
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
