"""Retrieval on captioned images (RSICD, RSITMD): the captions of a split against its images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import normalize

from engine.datasets.rsicd import CaptionedImage, load_pixels
from engine.errors import UsageError
from engine.evaluate.measured import Measured, measure_embeddings
from engine.models.contract import RetrievalModel
from engine.types import Float32Array, Progress, ProgressSink, no_progress

BATCH = 64
UPRIGHT = (0,)
QUARTER_TURNS = (0, 1, 2, 3)


def measure_images(
    model: RetrievalModel,
    images: Sequence[CaptionedImage],
    split: str,
    progress: ProgressSink = no_progress,
    turns: Sequence[int] = UPRIGHT,
) -> Measured:
    """All recalls of ``model`` on captioned images, also by scene; global embeddings only.

    Args:
        images: of a whole split (:func:`engine.datasets.rsicd.read_split`, :func:`engine.datasets.rsitmd.read_rsitmd`).
        split: its name, for the report.
        turns: quarter turns of an image whose embeddings are averaged; QUARTER_TURNS costs four times the time.

    Raises:
        UsageError: an image cannot be read.
    """
    embeddings = embed_images(model, images, progress, turns)
    captions = [c for image in images for c in image.captions]
    owner = np.repeat(np.arange(len(images)), [len(image.captions) for image in images])
    labels = [image.scene for image in images]
    return measure_embeddings(embeddings, embed_distinct(model, captions), owner, labels, model.identity, split)


def embed_images(
    model: RetrievalModel,
    images: Sequence[CaptionedImage],
    progress: ProgressSink = no_progress,
    turns: Sequence[int] = UPRIGHT,
) -> Float32Array:
    """Global embeddings ``(B, E)`` float32, the normalised mean over ``turns``.

    Raises:
        UsageError: an image cannot be read.
    """
    parts = []
    for start in range(0, len(images), BATCH):
        try:
            pixels = load_pixels(images[start : start + BATCH])
        except OSError as error:
            raise UsageError(f"An image cannot be read: {error}.", "Fetch the data set's images anew.") from error
        views = [np.ascontiguousarray(np.rot90(pixels, turn, (1, 2))) for turn in turns]
        embedded = torch.stack([model.encode_images(model.preprocess(view)).cpu() for view in views])
        parts.append(embedded[0] if len(turns) == 1 else normalize(embedded.sum(0), dim=-1))
        progress(Progress("encode images", min(start + BATCH, len(images)), len(images)))
    return torch.cat(parts).numpy()


def embed_distinct(model: RetrievalModel, texts: Sequence[str]) -> Float32Array:
    """Text embeddings ``(T, E)``; equal texts share one, so that rounding cannot break ties."""
    distinct = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    embeddings: Float32Array = model.encode_texts(list(distinct)).cpu().numpy()
    return embeddings[[distinct[text] for text in texts]]
