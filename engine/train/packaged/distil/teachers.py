"""Trained packaged models as teachers."""

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


class Teacher:
    """Looks at images in several positions, and reads.

    Args:
        checkpoint: ``best.pt`` of a training run.

    Raises:
        UsageError: the file is no checkpoint of the packaged model.
    """

    def __init__(self, checkpoint: Path, device: torch.device) -> None:
        self._device, self._dtype = device, inference_dtype(device)
        saved = read_checkpoint(checkpoint)
        model = network(saved).eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self._model: DualEncoder = model.to(device)
        self._tokenizer = build_tokenizer(saved["vocabulary"], model.text_tower.config.positions)

    @torch.inference_mode()
    def images(self, images: Tensor, symmetries: Sequence[int]) -> Tensor:
        """float32 ``(B, 3, S, S)`` in 0..255 to ``(B, E)`` of unit length, the mean over ``symmetries``."""
        views = [normalise_pixels(symmetry(images, number)).to(self._device) for number in symmetries]
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not torch.float32):
            each = [self._model.embed_images(v.contiguous(memory_format=torch.channels_last)).float() for v in views]
        return normalize(torch.stack(each).sum(0), dim=-1).cpu()

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """``(T, E)`` of unit length. Texts of like length share a call, whatever their order."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        embedded: Tensor | None = None
        for start in range(0, len(order), TEXT_BATCH):
            rows = order[start : start + TEXT_BATCH]
            ids, mask = tokenize(self._tokenizer, [texts[i] for i in rows])
            part = self._model.embed_texts(ids.to(self._device), mask.to(self._device)).float().cpu()
            if embedded is None:
                embedded = part.new_empty(len(texts), part.shape[1])
            embedded[rows] = part
        if embedded is None:
            raise ValueError("no texts")
        return embedded


def as_one(embeddings: Sequence[Tensor]) -> Tensor:
    """Unit embeddings of M teachers, each ``(…, E)``, as one ``(…, M·E)``: its cosines are the mean of theirs."""
    return normalize(torch.cat(list(embeddings), -1), dim=-1)


def network(saved: dict[str, Any]) -> DualEncoder:
    """The network of a checkpoint, with its weights."""
    config = saved["config"]
    text = TextTowerConfig(len(saved["vocabulary"]))
    model = DualEncoder(text, config["embed_dim"], parts=parts_of(config))
    model.load_state_dict(saved["model"])
    return model
