"""What a step draws: augmented pictures, their texts, and what is right for what."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.train.packaged.augment import augment, cutmix
from engine.train.packaged.config import TrainingConfig
from engine.train.packaged.data import TrainingData, texts_of
from engine.train.packaged.synonyms import Synonyms


@dataclass(frozen=True, slots=True)
class Batch:
    """B images with k captions each, T = k · B, and M nouns; all on the CPU.

    Attributes:
        rows: int64 ``(B,)``, places in the training images.
        pixels: float32 ``(B, 3, S, S)`` in 0..255.
        mixed: the same with parts of other images; ``pixels`` itself where nothing is mixed.
        others: int64 ``(B,)``, whose part each got.
        own: share of each that stayed its own; 1 where nothing is mixed.
        captions: T texts, the k of an image one after another.
        owners: int64 ``(T,)``, the image in 0..B-1 of each.
        nouns: M words.
        shown: bool ``(B, M)``, who shows them.
        wordings: what the text tower reads for the captions and the nouns, ``(T + M,)``.
    """

    rows: Tensor
    pixels: Tensor
    mixed: Tensor
    others: Tensor
    own: float
    captions: list[str]
    owners: Tensor
    nouns: list[str]
    shown: Tensor
    wordings: list[str]

    def mix(self, of_images: Tensor) -> Tensor:
        """What is right for each image, ``(B, …)``, as the mean of what is right for its parts."""
        if self.own == 1:
            return of_images
        return torch.lerp(of_images[self.others], of_images, self.own)


def draw_batch(
    rows: Tensor, data: TrainingData, config: TrainingConfig, synonyms: Synonyms, random: torch.Generator
) -> Batch:
    """A batch of the images ``rows``. What comes first draws first, so that later settings do not change it."""
    pixels = augment(
        data.pixels[rows], config.image_size, config.smallest_crop, config.jitter, random, rotations=config.rotations
    )
    captions, owners = sample_captions(rows, data, config.captions_per_image, random)
    nouns, shown = data.nouns.sample(rows, random)
    # What is right for an image follows from what was said of it; what the tower reads may be worded otherwise.
    wordings = [synonyms.reword(text, random) for text in captions + nouns]
    mixed, others, own = pixels, torch.arange(len(rows)), 1.0
    if config.cutmix and float(torch.rand((), generator=random)) < config.cutmix:
        mixed, others, own = cutmix(pixels, random)
    return Batch(rows, pixels, mixed, others, own, captions, owners, nouns, shown, wordings)


def sample_captions(rows: Tensor, data: TrainingData, count: int, random: torch.Generator) -> tuple[list[str], Tensor]:
    """``count`` texts of each image, different ones while there are any, and int64 ``(T,)`` whose they are."""
    texts: list[str] = []
    for row in rows.tolist():
        pool = texts_of(data.train[row])
        order = torch.randperm(len(pool), generator=random)[:count].tolist()
        texts += [pool[i] for i in order] + [pool[0]] * (count - len(order))
    return texts, torch.arange(len(rows)).repeat_interleave(count)
