"""Warm start: the two heads alone on features of the frozen towers, texts drawn anew at each step.

Dropout on the features and few steps: heads that know their training images by heart are a bad start.
"""

from __future__ import annotations

import torch
from lightning.fabric import Fabric
from torch import nn
from torch.nn.functional import dropout, normalize

from engine.models.compact.dual_encoder import DualEncoder
from engine.train.losses import multi_positive_contrastive
from engine.train.packaged.config import TrainingConfig
from engine.train.packaged.data import TrainingData, texts_of
from engine.train.packaged.likeness import Likeness
from engine.train.packaged.measure import pooled_features
from engine.train.packaged.text_features import TextFeatures
from engine.types import Progress, ProgressSink

HEAD_TEXTS = 3  # wordings an image
HEAD_IMAGES = 1024  # a step
FEATURE_DROPOUT = 0.3


def train_heads(
    model: DualEncoder,
    data: TrainingData,
    features: TextFeatures,
    likeness: Likeness,
    config: TrainingConfig,
    fabric: Fabric,
    random: torch.Generator,
    progress: ProgressSink,
) -> None:
    """Trains the heads and the logit scale of ``model``, whose text tower ``features`` belong to."""
    images = pooled_features(model, data.pixels, config.image_size)
    pools = [texts_of(image)[:HEAD_TEXTS] for image in data.train]
    texts = [text for pool in pools for text in pool]
    counts = torch.tensor([len(pool) for pool in pools])
    starts = counts.cumsum(0) - counts
    of_texts = features(texts)
    heads = nn.ModuleList([model.image_head, model.text_head])
    optimizer = torch.optim.AdamW([*heads.parameters(), model.log_scale], lr=1e-3, weight_decay=0.02)
    for step in range(config.head_steps):
        rows = torch.randperm(len(pools), generator=random)[:HEAD_IMAGES]
        chosen = starts[rows] + (torch.rand(len(rows), generator=random) * counts[rows]).long()
        image = normalize(model.image_head(dropout(images[rows], FEATURE_DROPOUT)), dim=-1)
        text = normalize(model.text_head(dropout(of_texts[chosen], FEATURE_DROPOUT)), dim=-1)
        logits = model.log_scale.exp() * image @ text.T
        names = [texts[i] for i in chosen.tolist()]
        positives = likeness.positives(names, torch.arange(len(names)), len(names))
        loss = multi_positive_contrastive(logits, positives.to(logits.device))
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        progress(Progress("heads", step + 1, config.head_steps, f"loss {loss.item():.3f}"))
