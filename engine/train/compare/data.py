"""What the runs of a comparison are trained on and chosen by: images, captions, nouns and scenes, without pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.datasets.rsicd import CaptionedImage, read_split
from engine.errors import UsageError
from engine.text.local import LocalKeywordExtractor
from engine.train.packaged.likeness import canonical
from engine.train.packaged.nouns import NounTargets
from engine.train.prior_clip.scene_prior import scene_labels, scene_names
from engine.types import IntArray


@dataclass(frozen=True, slots=True)
class Split:
    """Images of a split with their standard captions; T distinct captions.

    Attributes:
        name: of the split.
        images: I of them.
        texts: the distinct captions.
        captions: for each image the places of its captions in ``texts``, one for each caption.
        same: int64 ``(T,)``: texts of the same words have the same number.
        scenes: int64 ``(I,)``: which scene an image is labelled with; -1: none.
    """

    name: str
    images: list[CaptionedImage]
    texts: list[str]
    captions: list[list[int]]
    same: Tensor
    scenes: Tensor

    @property
    def owners(self) -> IntArray:
        """For every caption of every image, in order, whose it is."""
        return np.repeat(np.arange(len(self.images)), [len(places) for places in self.captions])

    @property
    def of_captions(self) -> Tensor:
        """For every caption of every image, in order, its place in ``texts``."""
        return torch.tensor([place for places in self.captions for place in places])


class CompareData:
    """Train and val; test is read by :meth:`test` alone.

    Attributes:
        train: of all images, or of at most ``limit`` of them, taken evenly.
        val: all of it.
        nouns: of ``train``.
        scene_names: of ``train``, in the order of their numbers.

    Args:
        folder: of RSICD, or laid out like it.
        limit: how many training images are used; None: all.

    Raises:
        UsageError: the folder does not hold the splits.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self.folder = folder
        images = read_split(folder, "train")
        if limit is not None:
            images = images[:: -(-len(images) // limit)]  # the listing is sorted by scene
        self.scene_names = scene_names(image.scene for image in images)
        self.train = self._split("train", images)
        self.val = self._split("val", read_split(folder, "val"))
        self.nouns = NounTargets(images, LocalKeywordExtractor())

    def test(self) -> Split:
        return self._split("test", read_split(self.folder, "test"))

    def _split(self, name: str, images: list[CaptionedImage]) -> Split:
        if not all(image.captions for image in images):
            raise UsageError(f"{self.folder} has images without captions in {name}.", "Leave them out of the listing.")
        place: dict[str, int] = {}
        captions = [[place.setdefault(text, len(place)) for text in image.captions] for image in images]
        words: dict[str, int] = {}
        same = torch.tensor([words.setdefault(canonical(text), len(words)) for text in place])
        scenes = scene_labels([image.scene for image in images], self.scene_names)
        return Split(name, images, list(place), captions, same, scenes)
