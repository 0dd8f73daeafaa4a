"""SAM prompted with boxes and points, many at once on one encoding of the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.segment.samgeo.contained import samgeo_module
from engine.segment.samgeo.outlines import as_masks
from engine.types import BoolArray, Float32Array, UInt8Array

_PROMPTS_AT_ONCE = 32
"""Masks come at the tile's size: more at once would only take memory."""


def load_sam(kind: str, checkpoint: Path, device: torch.device) -> Any:
    """The predictor of samgeo's SamGeo; ``kind``: vit_b, vit_l or vit_h. To be called within ``contained``."""
    return (
        samgeo_module("samgeo.samgeo")
        .SamGeo(model_type=kind, automatic=False, device=str(device), checkpoint=str(checkpoint))
        .predictor
    )


@torch.inference_mode()
def prompted_masks(
    predictor: Any, tile: UInt8Array, boxes: Float32Array, points: Float32Array | None = None
) -> BoolArray:
    """The object in each box ``(n, 4)`` xyxy and at each point ``(n, 2)`` xy, in pixels, as masks ``(n, H, W)``.

    ``SamGeo.predict`` fails with several boxes at once (version 1.4), so the predictor inside it is asked; a tile is
    encoded once.
    """
    height, width = tile.shape[:2]
    if not len(boxes):
        return np.zeros((0, height, width), np.bool_)
    predictor.set_image(np.ascontiguousarray(tile))
    device, transform = predictor.device, predictor.transform
    box_prompts = transform.apply_boxes_torch(torch.from_numpy(boxes), (height, width)).to(device)  # (n, 4)
    point_prompts = labels = None
    if points is not None:
        point_prompts = transform.apply_coords_torch(torch.from_numpy(points)[:, None], (height, width)).to(device)
        labels = torch.ones(len(points), 1, dtype=torch.int, device=device)  # 1: belongs to the object
    found = []
    for first in range(0, len(boxes), _PROMPTS_AT_ONCE):
        some = slice(first, first + _PROMPTS_AT_ONCE)
        masks, _, _ = predictor.predict_torch(
            None if point_prompts is None else point_prompts[some],
            None if labels is None else labels[some],
            boxes=box_prompts[some],
            multimask_output=False,
        )
        found.append(as_masks(masks, height, width))
    predictor.reset_image()
    return np.concatenate(found)
