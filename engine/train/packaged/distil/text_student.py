"""Teaches the text tower and its head the targets of texts, whatever the nouns they are worded with."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import torch
from lightning.fabric import Fabric
from torch import Tensor

from engine.models.compact.dual_encoder import DualEncoder
from engine.models.compact.tokenizer import tokenize
from engine.train.packaged.data import TrainingData
from engine.train.packaged.distil.config import DistilConfig
from engine.train.packaged.distil.regression import fit_head, follow, learning_rate_factor, regression_loss
from engine.train.packaged.loop import trainable
from engine.train.packaged.synonyms import Synonyms
from engine.train.packaged.text_features import TextFeatures
from engine.types import Progress, ProgressSink

_BATCHES_SORTED = 16  # texts of so many batches are sorted by length, so that little is padded


def train_text_tower(
    model: DualEncoder,
    data: TrainingData,
    texts: list[str],
    targets: Tensor,
    bank: Tensor,
    synonyms: Synonyms,
    config: DistilConfig,
    fabric: Fabric,
    random: torch.Generator,
    progress: ProgressSink,
) -> None:
    """Trains text tower and text head in place; the word embeddings stay, for words that no training text has.

    Args:
        texts: read as they are or with a noun replaced; the target stays that of the text itself.
        targets: ``(T, E)``.
        bank: targets of images ``(N, E)``.
    """
    model.eval()
    fit_head(model.text_head, TextFeatures(model.text_tower, data.tokenizer)(texts), targets)
    model.requires_grad_(False)
    model.text_tower.requires_grad_(True)
    model.text_head.requires_grad_(True)
    model.text_tower.words.requires_grad_(False)
    groups = [
        {"params": trainable(model.text_tower), "lr": config.lr_text},
        {"params": trainable(model.text_head), "lr": 3 * config.lr_text},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    peaks = [group["lr"] for group in optimizer.param_groups]
    wrapped, optimizer = fabric.setup(model, optimizer, _reapply_compile=False)
    wrapped.mark_forward_method("embed_texts")
    average = deepcopy(model)
    total = max(1, round(config.text_epochs * len(texts) / config.text_batch))
    batches = _batches(texts, config.text_batch, random)
    for step in range(total):
        rows = next(batches)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * learning_rate_factor(step, total)
        model.train()
        ids, mask = tokenize(data.tokenizer, [synonyms.reword(texts[row], random) for row in rows])
        embeddings = wrapped.embed_texts(ids.to(fabric.device), mask.to(fabric.device))
        seen = bank[torch.randint(len(bank), (config.bank,), generator=random)]
        wanted = targets[rows].to(fabric.device)
        loss = regression_loss(embeddings, wanted, seen.to(fabric.device), config.cosine_weight)
        fabric.backward(loss)
        fabric.clip_gradients(wrapped, optimizer, max_norm=config.gradient_clip, error_if_nonfinite=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        follow(average, model, step, config.text_ema_decay)
        progress(Progress("texts", step + 1, total, f"loss {loss.item():.3f}"))
    model.load_state_dict(average.state_dict())
    model.eval()


def _batches(texts: list[str], size: int, random: torch.Generator) -> Iterator[list[int]]:
    """Rows of batches without end, texts of like length together, batches in random order."""
    while True:
        order = torch.randperm(len(texts), generator=random).tolist()
        batches = []
        for start in range(0, len(order), size * _BATCHES_SORTED):
            chunk = sorted(order[start : start + size * _BATCHES_SORTED], key=lambda row: len(texts[row]))
            batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
        for place in torch.randperm(len(batches), generator=random).tolist():
            yield batches[place]
