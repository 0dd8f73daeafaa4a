"""``relevance+sam``: the relevance segmenter says where a keyword is, samgeo's SAM where its edges run.

Every part of a relevance mask prompts SAM with its box and with its peak, the place where the keyword is most
relevant. No GroundingDINO is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from engine.segment.contract import Segment
from engine.segment.relevance import RelevanceSegmenter
from engine.segment.samgeo.base import LazySegmenter
from engine.segment.samgeo.sam import load_sam, prompted_masks
from engine.segment.samgeo.weights import SAM, fingerprint
from engine.types import BoolArray, Float32Array, UInt8Array

VERSION = 1
"""Of the method: raise it where equal settings give other masks."""


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """How relevance becomes prompts.

    Attributes:
        parts: of one keyword on one tile, the largest this many are prompts.
        margin: by which a part's box is widened, as a share of its side: relevance is coarser than SAM.
        ground: share of the tile above which a part is ground cover, not an object: its outline stays as it is.
    """

    parts: int = 32
    margin: float = 0.1
    ground: float = 0.5


@dataclass(frozen=True, slots=True)
class Part:
    """One connected part of a relevance mask: bool ``(H, W)``, box xyxy and peak xy in pixels."""

    mask: BoolArray
    box: tuple[float, float, float, float]
    peak: tuple[float, float]


class RelevanceSamSegmenter(LazySegmenter[Any]):
    """See the module.

    Args:
        relevance: what finds the keywords.
        folder: of the weights (:mod:`engine.segment.samgeo.weights`).
        sam: kind of SAM: vit_b, vit_l or vit_h.
        device: CUDA or CPU.
    """

    def __init__(
        self,
        relevance: RelevanceSegmenter,
        folder: Path,
        sam: str,
        device: torch.device,
        settings: PromptSettings | None = None,
    ) -> None:
        self._settings = settings or PromptSettings()
        checkpoint = folder / SAM[sam].path
        values = f"parts={self._settings.parts},margin={self._settings.margin:g},ground={self._settings.ground:g}"
        super().__init__(
            "relevance+sam",
            f"relevance+sam-{VERSION}({values},{sam}={fingerprint(checkpoint)},{relevance.identity})",
            device,
        )
        self._relevance, self._sam, self._checkpoint = relevance, sam, checkpoint

    def _load(self) -> Any:
        return load_sam(self._sam, self._checkpoint, self._device)

    def _segment(self, model: Any, tile: UInt8Array, keywords: Sequence[str]) -> list[Segment]:
        """All parts of all keywords prompt SAM together."""
        coarse = self._relevance.segment_with_maps([tile], [keywords])[0]
        parts = [prompts(segment.mask, values, self._settings) for segment, values in coarse]
        every = [part for of_keyword in parts for part in of_keyword]
        boxes = np.array([part.box for part in every], np.float32).reshape(-1, 4)
        peaks = np.array([part.peak for part in every], np.float32).reshape(-1, 2)
        masks = iter(prompted_masks(model, tile, boxes, peaks))
        found = []
        for (segment, _), of_keyword in zip(coarse, parts, strict=True):
            mask = _refined(segment.mask, of_keyword, [next(masks) for _ in of_keyword])
            found.append(Segment(segment.keyword, mask, segment.score))
        return found


def prompts(mask: BoolArray, values: Float32Array, settings: PromptSettings) -> list[Part]:
    """The parts of a mask ``(H, W)`` that are objects, largest first; ``values`` ``(h, w)`` is the relevance on it."""
    height, width = mask.shape
    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    rows = (np.arange(height) * values.shape[0]) // height
    cols = (np.arange(width) * values.shape[1]) // width
    relevance = values[rows][:, cols]  # (H, W), nearest
    found = []
    for i in np.argsort(-sizes, kind="stable")[: settings.parts]:
        if sizes[i] > settings.ground * mask.size:
            continue
        part = np.asarray(labels == i + 1, np.bool_)
        y, x = ndimage.find_objects(labels)[i]
        wider, higher = settings.margin * (x.stop - x.start), settings.margin * (y.stop - y.start)
        box = (
            max(0.0, x.start - wider),
            max(0.0, y.start - higher),
            min(float(width), x.stop + wider),
            min(float(height), y.stop + higher),
        )
        top, left = np.unravel_index(np.argmax(np.where(part, relevance, -np.inf)), part.shape)
        found.append(Part(part, box, (float(left) + 0.5, float(top) + 0.5)))
    return found


def _refined(mask: BoolArray, parts: Sequence[Part], masks: Sequence[BoolArray]) -> BoolArray:
    """The mask with each part replaced by SAM's outline within the part's box; a part where SAM finds nothing stays."""
    refined = mask.copy()
    for part in parts:
        refined &= ~part.mask
    for part, outline in zip(parts, masks, strict=True):
        inside = np.zeros_like(mask)
        left, top, right, bottom = part.box
        inside[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))] = True
        within = outline & inside
        refined |= within if within.any() else part.mask
    return refined
