"""``samgeo3``: samgeo's SamGeo3, SAM 3 prompted with each keyword."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from engine.segment.contract import Segment
from engine.segment.samgeo.base import LazySegmenter
from engine.segment.samgeo.contained import samgeo_module
from engine.segment.samgeo.outlines import as_masks, merged
from engine.segment.samgeo.weights import SAM3, fingerprint
from engine.types import UInt8Array

VERSION = 1
"""Of the method: raise it where equal settings give other masks."""
_KEYWORDS_AT_ONCE = 8
_LONGEST_PROMPT = 32  # tokens; SAM 3's processor pads to it, but does not cut


class SamGeo3Segmenter(LazySegmenter[Any]):
    """See the module.

    Args:
        folder: of the weights (:mod:`engine.segment.samgeo.weights`).
        device: CUDA or CPU.
        confidence: least score of an object; samgeo's own default.
        mask_threshold: probability from which a pixel belongs to it; samgeo's own default.
    """

    def __init__(
        self, folder: Path, device: torch.device, confidence: float = 0.5, mask_threshold: float = 0.5
    ) -> None:
        weights = fingerprint(*(folder / name for name in SAM3.needed))
        identity = f"samgeo3-{VERSION}(confidence={confidence:g},mask={mask_threshold:g},sam3={weights})"
        super().__init__("samgeo3", identity, device)
        self._folder = folder / SAM3.path
        self._confidence, self._mask_threshold = confidence, mask_threshold

    def _load(self) -> Any:
        # The other backend, "meta", needs CUDA and a package that holds numpy back.
        return samgeo_module("samgeo.samgeo3").SamGeo3(
            backend="transformers",
            model_id=str(self._folder),
            device=str(self._device),
            confidence_threshold=self._confidence,
            mask_threshold=self._mask_threshold,
        )

    def _segment(self, model: Any, tile: UInt8Array, keywords: Sequence[str]) -> list[Segment]:
        """``SamGeo3.generate_masks`` encodes the image again for every keyword; its parts need not."""
        network, processor = model.model, model.processor
        image = processor(images=Image.fromarray(tile), return_tensors="pt").to(self._device)
        vision = network.get_vision_features(pixel_values=image["pixel_values"])
        found: list[Segment] = []
        for first in range(0, len(keywords), _KEYWORDS_AT_ONCE):
            some = keywords[first : first + _KEYWORDS_AT_ONCE]
            texts = processor.tokenizer(
                list(some), return_tensors="pt", padding="max_length", truncation=True, max_length=_LONGEST_PROMPT
            ).to(self._device)
            outputs = network(
                vision_embeds=_repeated(vision, len(some)),
                input_ids=texts["input_ids"],
                attention_mask=texts["attention_mask"],
            )
            results = processor.post_process_instance_segmentation(
                outputs,
                threshold=self._confidence,
                mask_threshold=self._mask_threshold,
                target_sizes=[tile.shape[:2]] * len(some),
            )
            for keyword, result in zip(some, results, strict=True):
                masks = as_masks(result["masks"], tile.shape[0], tile.shape[1])
                found += merged(keyword, masks, [float(score) for score in result["scores"]])
        return found


def _repeated(vision: Any, count: int) -> Any:
    """Features of one image, a tuple of tensors ``(1, …)`` a kind, as those of ``count`` equal images."""

    def many(maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(map_.expand(count, *map_.shape[1:]) for map_ in maps)

    return type(vision)(
        fpn_hidden_states=many(vision.fpn_hidden_states), fpn_position_encoding=many(vision.fpn_position_encoding)
    )
