"""What frozen halves of the towers make of pictures and texts, computed once and kept as float16.

Pictures: a few fixed views of each training image, and one, upright and whole, of any other. Kept are the tokens
before what a run trains (with the published backbone 192 channels, with the packaged one 1,280) and the mean of the
tokens after it as the backbone starts, from which heads and scene prior are trained. Texts: their token states, without
padding. A view is a file; what is there already under the same settings is read, so a cut computation goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.nn.utils.rnn import pad_sequence

from engine.datasets.rsicd import CaptionedImage, load_pixels
from engine.models.compact.image_tower import normalise_pixels
from engine.models.compact.tokenizer import tokenize
from engine.models.precision import inference_dtype
from engine.train.compare.backbone import Backbone
from engine.train.compare.config import CompareConfig
from engine.train.kept_files import kept_or_made
from engine.train.packaged.augment import augment
from engine.train.seeds import Purpose, derived_seed
from engine.types import Json, Progress, ProgressSink

PICTURES_AT_ONCE = 64
TEXTS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class ImageCache:
    """V views of I images.

    Attributes:
        maps: V tensors float16 ``(I, h, w, c)``, channels last.
        pooled: V tensors float16 ``(I, C)``, means of the tower's tokens as the backbone starts.
    """

    maps: list[Tensor]
    pooled: list[Tensor]

    def __len__(self) -> int:
        return len(self.maps[0])

    def draw(self, rows: Tensor, views: Tensor) -> tuple[Tensor, Tensor]:
        """Of the images ``rows`` ``(B,)`` the views ``(B,)``: float32 maps ``(B, c, h, w)``, pooled ``(B, C)``."""
        maps = torch.empty(len(rows), *self.maps[0].shape[1:])
        pooled = torch.empty(len(rows), self.pooled[0].shape[1])
        for view in torch.unique(views).tolist():
            here = (views == view).nonzero()[:, 0]
            maps[here] = self.maps[view][rows[here]].float()
            pooled[here] = self.pooled[view][rows[here]].float()
        return maps.permute(0, 3, 1, 2), pooled


@dataclass(frozen=True, slots=True)
class TextCache:
    """Token states of T texts one after another.

    Attributes:
        states: float16 ``(S, D)``.
        starts: int64 ``(T,)``.
        lengths: int64 ``(T,)``.
        pooled: float16 ``(T, D)``, means of the tower's last states as the backbone starts.
    """

    states: Tensor
    starts: Tensor
    lengths: Tensor
    pooled: Tensor

    def __len__(self) -> int:
        return len(self.starts)

    def draw(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Of the texts ``rows`` ``(B,)``: float32 states ``(B, L, D)``, zero in the padding, and mask ``(B, L)``."""
        lengths = self.lengths[rows]
        parts = [
            self.states[start : start + length].float()
            for start, length in zip(self.starts[rows].tolist(), lengths.tolist(), strict=True)
        ]
        states = pad_sequence(parts, batch_first=True)
        return states, torch.arange(states.shape[1])[None] < lengths[:, None]


def image_cache(
    name: str,
    images: Sequence[CaptionedImage],
    views: int,
    backbone: Backbone,
    config: CompareConfig,
    folder: Path,
    device: torch.device,
    progress: ProgressSink,
) -> ImageCache:
    """The views of these images from files ``NAME-vN.safetensors`` in ``folder``, which exists; made where missing."""
    maps, pooled = [], []
    for view in range(views):
        settings: Json = {
            "backbone": backbone.digest,
            "side": backbone.side,
            "images": [str(image.path.name) for image in images],
            "view": [view, config.smallest_crop, config.jitter] if view else [],
        }
        file = folder / f"{name}-v{view}.safetensors"
        stage = f"{name} view {view + 1} of {views}"
        make = partial(_encode, images, view, backbone, config, device, progress, stage)
        kept = _kept(file, settings, make)
        maps.append(kept["maps"])
        pooled.append(kept["pooled"])
    return ImageCache(maps, pooled)


def text_cache(
    name: str, texts: Sequence[str], backbone: Backbone, folder: Path, device: torch.device, progress: ProgressSink
) -> TextCache:
    """The states of these texts from ``NAME-texts.safetensors`` in ``folder``, which exists; made where missing."""
    settings: Json = {"backbone": backbone.digest, "texts": list(texts)}
    file = folder / f"{name}-texts.safetensors"
    make = partial(_encode_texts, texts, backbone, device, progress, f"{name} texts")
    kept = _kept(file, settings, make)
    lengths = kept["lengths"]
    return TextCache(kept["states"], lengths.cumsum(0) - lengths, lengths, kept["pooled"])


@torch.no_grad()
def _encode(
    images: Sequence[CaptionedImage],
    view: int,
    backbone: Backbone,
    config: CompareConfig,
    device: torch.device,
    progress: ProgressSink,
    stage: str,
) -> dict[str, Tensor]:
    first, last = backbone.image_first.to(device), backbone.image_last.to(device)
    dtype = inference_dtype(device)
    maps, pooled = [], []
    for start in range(0, len(images), PICTURES_AT_ONCE):
        pixels = torch.from_numpy(load_pixels(images[start : start + PICTURES_AT_ONCE])).permute(0, 3, 1, 2)
        if view:
            # A picture's views depend on its place and on nothing else, and are the same for all seeds.
            random = torch.Generator().manual_seed(derived_seed(0, Purpose.AUGMENTATION, view, start))
            pixels = augment(pixels, backbone.side, config.smallest_crop, config.jitter, random)
        else:
            size = (backbone.side, backbone.side)
            pixels = interpolate(pixels.float(), size, mode="bilinear", antialias=True)
        entering = normalise_pixels(pixels).to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype, enabled=dtype is not torch.float32):
            kept = first(entering)
            tokens = last(kept)
        maps.append(kept.permute(0, 2, 3, 1).half().cpu().contiguous())
        pooled.append(tokens.float().mean((2, 3)).half().cpu())
        progress(Progress(stage, min(start + PICTURES_AT_ONCE, len(images)), len(images)))
    return {"maps": torch.cat(maps), "pooled": torch.cat(pooled)}


@torch.no_grad()
def _encode_texts(
    texts: Sequence[str], backbone: Backbone, device: torch.device, progress: ProgressSink, stage: str
) -> dict[str, Tensor]:
    first, last = backbone.text_first.to(device), backbone.text_last.to(device)
    states: list[Tensor] = [torch.empty(0)] * len(texts)
    pooled: list[Tensor] = [torch.empty(0)] * len(texts)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # of like length in one call
    for start in range(0, len(order), TEXTS_AT_ONCE):
        places = order[start : start + TEXTS_AT_ONCE]
        ids, mask = tokenize(backbone.tokenizer, [texts[i] for i in places])
        ids, mask = ids.to(device), mask.to(device)
        kept = first(ids, mask)
        after = last(kept, mask) * mask[:, :, None]
        means = after.sum(1) / mask.sum(1, keepdim=True)
        for row, place in enumerate(places):
            states[place] = kept[row, mask[row]].half().cpu()
            pooled[place] = means[row].half().cpu()
        progress(Progress(stage, min(start + TEXTS_AT_ONCE, len(order)), len(order)))
    if not texts:
        empty = torch.zeros(0, backbone.text_width, dtype=torch.float16)
        return {"states": empty, "lengths": torch.zeros(0, dtype=torch.int64), "pooled": empty.clone()}
    lengths = torch.tensor([len(each) for each in states])
    return {"states": torch.cat(states), "lengths": lengths, "pooled": torch.stack(pooled)}


def _kept(file: Path, settings: Json, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    return kept_or_made(file, hashlib.sha256(json.dumps(settings).encode()).hexdigest(), make)
