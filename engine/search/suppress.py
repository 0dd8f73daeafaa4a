"""Non-maximum suppression: of hits that show one place, the best stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import Polygon

from engine.types import Float64Array, Tile

Placer = Callable[[int, Tile], Polygon]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tile of one of the rasters, and its score."""

    raster: int
    tile: Tile
    score: float


def suppress(
    candidates: Iterable[Candidate], limit: int, max_iou: float, place: Placer | None = None
) -> list[Candidate]:
    """Greedy suppression: a candidate is kept unless its IoU with a better, kept one exceeds ``max_iou``.

    Tiles of one raster are compared in its pixels, where they are rectangles; an affine georeference changes no IoU.

    Args:
        candidates: best first; taken until ``limit`` are kept.
        place: outline of a tile of a raster in a CRS common to all; None: places of different rasters never overlap.
    """
    kept: list[Candidate] = []
    boxes = np.empty((limit, 4))
    rasters = np.empty(limit, dtype=np.int64)
    outlines: list[Polygon] = []
    for candidate in candidates:
        if len(kept) == limit:
            break
        n = len(kept)
        box = _box(candidate.tile)
        same = rasters[:n] == candidate.raster
        if (_iou(box, boxes[:n][same]) > max_iou).any():
            continue
        if place is not None:
            outline = place(candidate.raster, candidate.tile)
            others = [outlines[i] for i in np.flatnonzero(~same)]
            if any(_polygon_iou(outline, other) > max_iou for other in others):
                continue
            outlines.append(outline)
        kept.append(candidate)
        boxes[n], rasters[n] = box, candidate.raster
    return kept


def _box(tile: Tile) -> Float64Array:
    return np.array([tile.x, tile.y, tile.x + tile.width, tile.y + tile.height], dtype=np.float64)


def _iou(box: Float64Array, boxes: Float64Array) -> Float64Array:
    """IoU of one box ``(4,)`` with boxes ``(k, 4)``, as x0, y0, x1, y1."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])  # (k, 2)
    shared = np.prod(np.clip(sides, 0.0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.asarray(shared / (np.prod(box[2:] - box[:2]) + areas - shared))


def _polygon_iou(a: Polygon, b: Polygon) -> float:
    if not shapely.intersects(a, b):
        return 0.0
    shared = float(shapely.intersection(a, b).area)
    return shared / float(a.area + b.area - shared)
