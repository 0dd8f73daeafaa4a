"""Brings the text tower into the targets' space.

Only the head is fitted. A tower that learns the targets of 26,000 captions drifts on captions that it has not seen
(docs/evaluation.md), and what it knows of other words from its own pre-training goes first.
"""

from __future__ import annotations

from torch import Tensor

from engine.models.compact.dual_encoder import DualEncoder
from engine.train.packaged.data import TrainingData
from engine.train.packaged.distil.regression import fit_head
from engine.train.packaged.text_features import TextFeatures


def fit_text_head(model: DualEncoder, data: TrainingData, texts: list[str], targets: Tensor) -> None:
    """Sets the text head to the linear map of the tower that takes texts nearest to their targets ``(T, E)``."""
    model.eval()
    fit_head(model.text_head, TextFeatures(model.text_tower, data.tokenizer)(texts), targets)
