"""``langsam``: samgeo's LangSAM, GroundingDINO's boxes for each keyword and SAM's masks in them.

Thresholds as in MPS-CLIP (arXiv 2601.18190), whose subimages are made in this way.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from engine.segment.contract import Segment
from engine.segment.samgeo.base import LazySegmenter
from engine.segment.samgeo.contained import samgeo_module
from engine.segment.samgeo.dino import build_dino, image_encoded_once
from engine.segment.samgeo.outlines import clip_boxes, merged
from engine.segment.samgeo.sam import prompted_masks
from engine.segment.samgeo.weights import BERT, DINO, DINO_SETTINGS, SAM, fingerprint
from engine.types import Float32Array, UInt8Array

VERSION = 1
"""Of the method: raise it where equal settings give other masks."""


class LangSamSegmenter(LazySegmenter[Any]):
    """See the module.

    Args:
        folder: of the weights (:mod:`engine.segment.samgeo.weights`).
        sam: kind of SAM: vit_b, vit_l or vit_h.
        device: CUDA or CPU.
        box_threshold: least score of a box.
        text_threshold: of the words that are read off a box; masks do not depend on it.
    """

    def __init__(
        self,
        folder: Path,
        sam: str,
        device: torch.device,
        box_threshold: float = 0.1,
        text_threshold: float = 0.24,
    ) -> None:
        settings = folder / DINO_SETTINGS
        files = [folder / name for name in (*DINO.needed, *BERT.needed)]
        dino = fingerprint(*files, *([settings] if settings.is_file() else []))
        checkpoint = folder / SAM[sam].path
        super().__init__(
            "langsam",
            f"langsam-{VERSION}(box={box_threshold:g},text={text_threshold:g},dino={dino},"
            f"{sam}={fingerprint(checkpoint)})",
            device,
        )
        self._folder, self._sam, self._checkpoint = folder, sam, checkpoint
        self._box_threshold, self._text_threshold = box_threshold, text_threshold

    def _load(self) -> Any:
        folder, device = self._folder, self._device

        class LocalLangSAM(samgeo_module("samgeo.text_sam").LangSAM):  # type: ignore[misc]  # loaded at run time
            """LangSAM on a device that was asked for, with GroundingDINO from local files."""

            def build_groundingdino(self) -> None:
                self.device = device
                self.groundingdino = build_dino(folder, device)

        return LocalLangSAM(self._sam, str(self._checkpoint))

    def _segment(self, model: Any, tile: UInt8Array, keywords: Sequence[str]) -> list[Segment]:
        """Image encoded once by each network; SAM is prompted with the boxes of all keywords together."""
        image = Image.fromarray(tile)
        with image_encoded_once(model.groundingdino):
            found = [self._boxes(model, image, keyword) for keyword in keywords]
        masks = prompted_masks(model.sam, tile, np.concatenate([boxes for boxes, _ in found]))
        ends = np.cumsum([len(boxes) for boxes, _ in found])[:-1]
        return [
            segment
            for keyword, (_, scores), own in zip(keywords, found, np.split(masks, ends), strict=True)
            for segment in merged(keyword, own, scores)
        ]

    def _boxes(self, model: Any, image: Image.Image, keyword: str) -> tuple[Float32Array, list[float]]:
        """Boxes ``(n, 4)`` xyxy in pixels within the image, and their scores."""
        boxes, scores, _ = model.predict_dino(image, keyword, self._box_threshold, self._text_threshold)
        clipped, usable = clip_boxes(boxes, image.height, image.width)
        return clipped[usable], [float(score) for score, use in zip(scores, usable, strict=True) if use]
