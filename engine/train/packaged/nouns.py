"""Which nouns name what an image shows, by its captions: targets beside the captions themselves.

Two uses. As texts like any other, so that short queries, which is what people type, are trained for too. And as OSDPM
has them: priors. Its paper counts the nouns of the training captions that name object categories, and gives an image
the distribution of those nouns in its captions, or the model's own prediction of it where there are no captions. The
reading chosen here:

- An object category is a noun or noun compound that the keyword extractor finds, singular and plural in one, in at
  least :data:`FEWEST_IMAGES` images and in no more than :data:`LARGEST_SHARE` of them: what is nearly everywhere
  (trees, buildings) tells categories apart too little.
- An image's prior has for each noun the number of its captions, repeated ones counted as often as they stand there,
  that have it; divided by the sum over the nouns. An image without any such noun has no prior.
- The model predicts it from the image's embedding by a linear map and a softmax
  (:func:`engine.train.losses.noun_prior_divergence`): a distribution, so no noun is judged by itself.
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
    """Of all images; N is the number of nouns.

    Attributes:
        words: the nouns in their most frequent wording.
        counts: int16 ``(images, N)``, how many of an image's captions have the noun.
        shown: bool ``(images, N)``, whether any has.
    """

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
        self.counts = torch.zeros(len(images), len(kept), dtype=torch.int16)
        for row, keywords in enumerate(found):
            for noun in map(singular, keywords):
                if noun in place:
                    self.counts[row, place[noun]] += 1
        self.shown = self.counts > 0

    def priors(self, rows: Tensor) -> Tensor:
        """float32 ``(B, N)``: the distribution of the nouns in each image's captions; zeros where it has none."""
        counts = self.counts[rows].to(torch.float32)
        return counts / counts.sum(1, keepdim=True).clamp_min(1)

    def sample(self, rows: Tensor, generator: torch.Generator) -> tuple[list[str], Tensor]:
        """At most one noun of each image in ``rows`` ``(B,)``: M different words; bool ``(B, M)``, who shows them."""
        shown = self.shown[rows]
        if not self.words:
            return [], shown
        drawn = torch.where(shown, torch.rand(shown.shape, generator=generator), -1.0).max(1)
        columns = torch.unique(drawn.indices[drawn.values >= 0])
        return [self.words[i] for i in columns.tolist()], shown[:, columns]


def _keywords(image: CaptionedImage, extractor: KeywordExtractor) -> list[str]:
    """The keywords of all captions; a caption that the image has twice counts twice."""
    found: list[str] = []
    for caption, times in Counter(image.captions).items():
        try:
            found += times * list(extractor.extract(caption).positives)
        except UsageError:  # no word in it, or only negations: it says nothing of what is shown
            continue
    return found
