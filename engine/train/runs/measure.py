"""Recalls on val, and what a random order would reach there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.evaluate.retrieval import RetrievalReport, evaluate_embeddings
from engine.types import IntArray

IMAGES_AT_ONCE = 64
TEXTS_AT_ONCE = 256
Captions = Sequence[Sequence[str]]  # of each image


@torch.no_grad()
def measure_pairs(
    images: Callable[[Tensor], Tensor],
    texts: Callable[[list[str]], Tensor],
    pixels: Tensor,
    captions: Captions,
    model: str,
) -> RetrievalReport:
    """Recalls by global scores; equal captions are embedded once.

    Args:
        images: uint8 ``(B, 3, S, S)`` to embeddings ``(B, E)``.
        texts: captions to embeddings ``(B, E)``.
        pixels: of all images, uint8 ``(V, 3, S, S)``.
        captions: of each of them.
        model: named in the report.
    """
    every = [caption for some in captions for caption in some]
    distinct = list(dict.fromkeys(every))
    place = {caption: i for i, caption in enumerate(distinct)}
    parts = [texts(distinct[i : i + TEXTS_AT_ONCE]).float().cpu() for i in range(0, len(distinct), TEXTS_AT_ONCE)]
    words = torch.cat(parts)[[place[caption] for caption in every]]
    whole = [images(pixels[i : i + IMAGES_AT_ONCE]).float().cpu() for i in range(0, len(pixels), IMAGES_AT_ONCE)]
    return evaluate_embeddings(torch.cat(whole).numpy(), words.numpy(), _owner(captions), model, "val")


def chance_report(captions: Captions) -> RetrievalReport:
    """Recalls that a random order has: all scores tie, and ties count as what they are expected to give."""
    owner = _owner(captions)
    images, texts = np.ones((len(captions), 1), np.float32), np.ones((len(owner), 1), np.float32)
    return evaluate_embeddings(images, texts, owner, "chance", "val")


def _owner(captions: Captions) -> IntArray:
    return np.repeat(np.arange(len(captions)), [len(some) for some in captions])
