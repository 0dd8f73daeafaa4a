"""A split of RSICD embedded without regions, and with whatever regions are asked of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from engine.datasets.rsicd import CaptionedImage
from engine.errors import UsageError
from engine.evaluate.region_bank import RegionBank
from engine.evaluate.rsicd import embed_distinct, embed_images
from engine.models.contract import RetrievalModel, ScoreMode
from engine.segment.contract import Segmenter
from engine.text.contract import KeywordExtractor
from engine.types import Float32Array, IntArray, ProgressSink, no_progress


class RegionStudy:
    """What all measurements on one split share.

    Attributes:
        images: B of them.
        captions: of all images in turn, T of them.
        embeddings: global embeddings ``(B, E)``.
        texts: embeddings of the captions ``(T, E)``.
        owner: ``(T,)``, whose caption it is.
        modes: ways in which the model brings regions into a score.
        seconds_per_image: for a global embedding, reading included.
        bank: regions found so far.
    """

    def __init__(
        self,
        model: RetrievalModel,
        segmenter: Segmenter,
        extractor: KeywordExtractor,
        images: Sequence[CaptionedImage],
        progress: ProgressSink = no_progress,
    ) -> None:
        self._model, self._segmenter, self._extractor = model, segmenter, extractor
        self._progress = progress
        self.images = images
        start = time.perf_counter()
        self.embeddings: Float32Array = embed_images(model, images, progress)
        self.seconds_per_image = (time.perf_counter() - start) / len(images)
        self.captions = [caption for image in images for caption in image.captions]
        self.texts: Float32Array = embed_distinct(model, self.captions)
        self.owner: IntArray = np.repeat(np.arange(len(images)), [len(image.captions) for image in images])
        self.modes = [mode for mode in model.score_modes if mode is not ScoreMode.GLOBAL]
        self.bank = self.new_bank()

    def new_bank(self) -> RegionBank:
        """One that knows no regions."""
        return RegionBank(self._model, self._segmenter, self.images)

    def keywords(self, caption: str) -> tuple[str, ...]:
        """Keywords of a caption; none where it says nothing."""
        try:
            return self._extractor.extract(caption).positives
        except UsageError:
            return ()

    def find(self, wanted: Mapping[int, Sequence[str]]) -> None:
        """Fills the bank; see :meth:`RegionBank.fill`."""
        self.bank.fill(wanted, self._progress)

    def score(
        self,
        mode: ScoreMode,
        images: Sequence[int],
        keywords: Sequence[Sequence[str]],
        texts: Float32Array,
        bank: RegionBank | None = None,
    ) -> Float32Array:
        """Scores ``(B, Q)`` of some images, with the regions of one list of keywords each, against ``(Q, E)``."""
        regions, valid = (bank or self.bank).regions(images, keywords)
        device = self._model.device
        with torch.inference_mode():
            whole = torch.from_numpy(self.embeddings[list(images)]).to(device)
            scores = self._model.score(whole, torch.from_numpy(texts).to(device), regions, valid, mode)
            return np.asarray(scores.float().cpu().numpy())
