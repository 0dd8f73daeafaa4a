"""Regions of every image of the gallery, found before any query is known, and both directions of retrieval."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.datasets.rsicd import CaptionedImage
from engine.errors import UsageError
from engine.evaluate.region_study import RegionStudy
from engine.evaluate.retrieval import RetrievalReport, recalls
from engine.models.contract import ScoreMode
from engine.text.contract import KeywordExtractor
from engine.text.words import singular
from engine.types import BoolArray, Float32Array

IMAGES_PER_SCORE = 64


@dataclass(frozen=True, slots=True)
class GalleryRegions:
    """Recalls of both directions with the regions of some keywords for each image.

    Attributes:
        regions: of an image, on average.
        after: by mode.
        seconds: of an image by itself, on average; None: not timed.
    """

    regions: float
    after: dict[ScoreMode, RetrievalReport]
    seconds: float | None


def without_regions(study: RegionStudy, model: str, split: str) -> RetrievalReport:
    """Recalls of the global scores."""
    return _report(study, study.embeddings @ study.texts.T, model, split)


def with_regions(
    study: RegionStudy, keywords: Sequence[Sequence[str]], timed: int, model: str, split: str
) -> GalleryRegions:
    """Recalls with the regions of one list of keywords an image.

    Args:
        timed: how many images are first timed by themselves.
    """
    numbers = list(range(len(study.images)))
    some = numbers[:timed]
    start = time.perf_counter()
    study.new_bank().fill({image: keywords[image] for image in some})
    seconds = (time.perf_counter() - start) / len(some) if some else None
    study.find(dict(enumerate(keywords)))
    after: dict[ScoreMode, RetrievalReport] = {}
    for mode in study.modes:
        parts = [
            study.score(mode, part, [keywords[image] for image in part], study.texts)
            for part in (numbers[i : i + IMAGES_PER_SCORE] for i in range(0, len(numbers), IMAGES_PER_SCORE))
        ]
        after[mode] = _report(study, np.concatenate(parts), model, split)
    regions = float(study.bank.regions(numbers, keywords)[1].sum()) / len(numbers)
    return GalleryRegions(regions, after, seconds)


def frequent_nouns(extractor: KeywordExtractor, images: Sequence[CaptionedImage], count: int) -> tuple[str, ...]:
    """The keywords of most captions, most frequent first. Singular and plural count as one; the commoner of the two
    wordings stands for both.
    """
    wordings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for caption, times in Counter(caption for image in images for caption in image.captions).items():
        try:
            keywords = extractor.extract(caption).positives
        except UsageError:  # it says nothing
            continue
        for keyword in keywords:
            wordings[singular(keyword)][keyword] += times
    commonest = sorted(wordings, key=lambda word: (-wordings[word].total(), word))[:count]
    return tuple(min(wordings[word], key=lambda text: (-wordings[word][text], text)) for word in commonest)


def _report(study: RegionStudy, scores: Float32Array, model: str, split: str) -> RetrievalReport:
    relevant: BoolArray = np.arange(len(study.images))[:, None] == study.owner[None, :]
    return RetrievalReport(model, split, recalls(scores, relevant), recalls(scores.T, relevant.T))
