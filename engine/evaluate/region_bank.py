"""Region embeddings of a data set's images, each image segmented once for all the keywords that anyone asks of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.datasets.rsicd import CaptionedImage, load_pixels
from engine.models.contract import RetrievalModel
from engine.search.regions import embed_segments
from engine.segment.contract import Segmenter
from engine.types import Float32Array, Progress, ProgressSink, no_progress

IMAGES_PER_BATCH = 8

Wanted = Mapping[int, Iterable[str]]
"""Keywords by the number of the image."""


class RegionBank:
    """Embeddings by image and keyword; keeps no masks.

    Args:
        images: those that the numbers stand for.
    """

    def __init__(self, model: RetrievalModel, segmenter: Segmenter, images: Sequence[CaptionedImage]) -> None:
        self._model, self._segmenter, self._images = model, segmenter, images
        self._known: dict[tuple[int, str], Float32Array | None] = {}

    def fill(self, wanted: Wanted, progress: ProgressSink = no_progress) -> None:
        """Looks for what is wanted and not known yet; ``progress`` receives the stage ``"regions"`` in images."""
        missing = {
            image: tuple(word for word in dict.fromkeys(words) if (image, word) not in self._known)
            for image, words in wanted.items()
        }
        numbers = [image for image, words in missing.items() if words]
        for start in range(0, len(numbers), IMAGES_PER_BATCH):
            progress(Progress("regions", start, len(numbers)))
            batch = numbers[start : start + IMAGES_PER_BATCH]
            tiles = list(load_pixels([self._images[image] for image in batch]))
            segments = self._segmenter.segment(tiles, [missing[image] for image in batch])
            embeddings = iter(embed_segments(self._model, tiles, segments))
            for image, found in zip(batch, segments, strict=True):
                self._known.update({(image, word): None for word in missing[image]})
                self._known.update({(image, segment.keyword): next(embeddings) for segment in found})

    def regions(self, images: Sequence[int], keywords: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
        """Embeddings ``(B, n, E)`` of the regions of B images, one list of keywords each, and their validity
        ``(B, n)``; n is the largest number of keywords, at least 1. All must have been looked for.
        """
        width = max([1, *(len(words) for words in keywords)])
        embeddings = np.zeros((len(images), width, self._model.embed_dim), np.float32)
        valid = np.zeros((len(images), width), np.bool_)
        for row, (image, words) in enumerate(zip(images, keywords, strict=True)):
            for column, word in enumerate(words):
                found = self._known[image, word]
                if found is not None:
                    embeddings[row, column], valid[row, column] = found, True
        device = self._model.device
        return torch.from_numpy(embeddings).to(device), torch.from_numpy(valid).to(device)
