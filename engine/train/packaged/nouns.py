"""Which nouns name what an image shows, by its captions: targets beside the captions themselves.

The nouns of the captions as a prior on what is there are OSDPM's idea; here they are texts like any other, so that
short queries, which is what people type, are trained for too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from engine.datasets.rsicd import CaptionedImage
from engine.errors import UsageError
from engine.text.contract import KeywordExtractor
from engine.text.words import singular

FEWEST_IMAGES = 5
LARGEST_SHARE = 0.3  # a noun of more images than these tells them apart too little


class NounTargets:
    """``words``: N nouns in their most frequent wording; ``shown``: bool ``(images, N)``."""

    def __init__(self, images: Sequence[CaptionedImage], extractor: KeywordExtractor) -> None:
        found = [_keywords(image, extractor) for image in images]
        wordings: dict[str, Counter[str]] = {}
        for keywords in found:
            for keyword in keywords:
                wordings.setdefault(singular(keyword), Counter())[keyword] += 1
        in_images = Counter(noun for keywords in found for noun in {singular(keyword) for keyword in keywords})
        most = LARGEST_SHARE * len(images)
        kept = [noun for noun, count in sorted(in_images.items()) if FEWEST_IMAGES <= count <= most]
        self.words = [wordings[noun].most_common(1)[0][0] for noun in kept]
        place = {noun: i for i, noun in enumerate(kept)}
        self.shown = torch.zeros(len(images), len(kept), dtype=torch.bool)
        for row, keywords in enumerate(found):
            columns = {place[noun] for noun in map(singular, keywords) if noun in place}
            self.shown[row, list(columns)] = True

    def sample(self, rows: Tensor, generator: torch.Generator) -> tuple[list[str], Tensor]:
        """At most one noun of each image in ``rows`` ``(B,)``: M different words; bool ``(B, M)``, who shows them."""
        shown = self.shown[rows]
        if not self.words:
            return [], shown
        drawn = torch.where(shown, torch.rand(shown.shape, generator=generator), -1.0).max(1)
        columns = torch.unique(drawn.indices[drawn.values >= 0])
        return [self.words[i] for i in columns.tolist()], shown[:, columns]


def _keywords(image: CaptionedImage, extractor: KeywordExtractor) -> list[str]:
    found: list[str] = []
    for caption in dict.fromkeys(image.captions):
        try:
            found += extractor.extract(caption).positives
        except UsageError:  # no word in it, or only negations: it says nothing of what is shown
            continue
    return found
