"""A query as vectors, and how tiles are scored against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.models.contract import RetrievalModel
from engine.segment.background import background_embeddings
from engine.segment.prompts import PromptEnsemble, is_short
from engine.text.contract import Keywords
from engine.types import Float32Array

NEGATIVE_WEIGHT = 0.5


@dataclass(frozen=True)
class QueryVectors:
    """What is asked for and what is not wanted, as rows of one matrix ``(1 + N, E)`` on the CPU."""

    texts: Tensor

    @classmethod
    def of(cls, keywords: Keywords, model: RetrievalModel) -> QueryVectors:
        """Short noun phrases ("tennis courts") are embedded as a mean of prompts, longer texts as they are
        (:class:`engine.segment.prompts.PromptEnsemble`).

        Where a short phrase is asked for, the mean of what imagery shows at large is taken off it and its negatives. So
        a tile's score is how much nearer it is to the phrase than to such words on average: tiles that show much are
        near to all of them. A sentence says itself what it is about, and does worse so (docs/evaluation.md).
        """
        rows = PromptEnsemble(model).embed([keywords.positive_text, *keywords.negatives])
        if is_short(keywords.positive_text):
            rows = rows - background_embeddings(model).mean(0)
        return cls(rows)

    def score(self, embeddings: Float32Array) -> Float32Array:
        """Scores ``(B,)`` of global embeddings ``(B, E)``."""
        with torch.inference_mode():
            return np.asarray(combine(torch.from_numpy(embeddings) @ self.texts.T))


def combine(similarity: Tensor) -> Tensor:
    """Similarities ``(B, 1 + N)`` to scores ``(B,)``: what is asked for − 0.5 · max(0, the nearest negative)."""
    positive, negatives = similarity[:, 0], similarity[:, 1:]
    if negatives.shape[1] == 0:
        return positive
    return positive - NEGATIVE_WEIGHT * negatives.max(dim=1).values.clamp_min(0.0)
