"""Trained packaged models as one teacher."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from engine.models.compact.dual_encoder import DualEncoder
from engine.models.compact.image_tower import normalise_pixels
from engine.models.compact.text_tower import TextTowerConfig
from engine.models.compact.tokenizer import build_tokenizer, tokenize
from engine.models.precision import inference_dtype
from engine.train.packaged.checkpoint import parts_of, read_checkpoint
from engine.train.packaged.distil.views import symmetry

TEXT_BATCH = 256


class Teachers:
    """M models side by side: their unit embeddings concatenated, so that cosines are the mean of theirs.

    Args:
        checkpoints: ``best.pt`` of training runs; the first is what the student starts from.

    Raises:
        UsageError: a file is no checkpoint of the packaged model.
    """

    def __init__(self, checkpoints: Sequence[Path], device: torch.device) -> None:
        self._device, self._dtype = device, inference_dtype(device)
        self._models, self._tokenizers = [], []
        for file in checkpoints:
            saved = read_checkpoint(file)
            model = network(saved).eval().requires_grad_(False).to(memory_format=torch.channels_last).to(device)
            self._models.append(model)
            self._tokenizers.append(build_tokenizer(saved["vocabulary"], model.text_tower.config.positions))

    @torch.inference_mode()
    def images(self, images: Tensor, symmetries: Sequence[int]) -> Tensor:
        """float32 ``(B, 3, S, S)`` in 0..255 to ``(B, M·E)`` of unit length, the mean over ``symmetries``."""
        views = [normalise_pixels(symmetry(images, number)).to(self._device) for number in symmetries]
        means = []
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not torch.float32):
            for model in self._models:
                embedded = [model.embed_images(v.contiguous(memory_format=torch.channels_last)).float() for v in views]
                means.append(normalize(torch.stack(embedded).sum(0), dim=-1))
        return normalize(torch.cat(means, 1), dim=-1).cpu()

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """``(T, M·E)`` of unit length. Texts of like length share a call, whatever their order."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        embedded: Tensor | None = None
        for start in range(0, len(order), TEXT_BATCH):
            rows = order[start : start + TEXT_BATCH]
            parts = []
            for model, tokenizer in zip(self._models, self._tokenizers, strict=True):
                ids, mask = tokenize(tokenizer, [texts[i] for i in rows])
                parts.append(model.embed_texts(ids.to(self._device), mask.to(self._device)).float())
            part = normalize(torch.cat(parts, 1), dim=-1).cpu()
            if embedded is None:
                embedded = part.new_empty(len(texts), part.shape[1])
            embedded[rows] = part
        if embedded is None:
            raise ValueError("no texts")
        return embedded


def network(saved: dict[str, Any]) -> DualEncoder:
    """The network of a checkpoint, with its weights."""
    config = saved["config"]
    text = TextTowerConfig(len(saved["vocabulary"]))
    model = DualEncoder(text, config["embed_dim"], parts=parts_of(config))
    model.load_state_dict(saved["model"])
    return model
