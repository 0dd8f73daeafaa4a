"""How well subregions cover the true objects, by kind (drawn scene; no imagery at hand has masks)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shapely import Polygon, unary_union
from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True, slots=True)
class LocalisedHit:
    """One hit for one kind of object; all geometries in one coordinate system (pixels or a projected CRS).

    Attributes:
        kind: the kind that was asked for.
        tile: outline of the hit.
        predicted: the subregions returned for the keyword in this hit; empty where there were none.
        truth: outlines of the true objects of the kind; parts outside the tile do not count.
    """

    kind: str
    tile: Polygon
    predicted: Sequence[BaseGeometry]
    truth: Sequence[BaseGeometry]


def union_iou(predicted: Sequence[BaseGeometry], truth: Sequence[BaseGeometry]) -> float:
    """IoU of the union of the predictions and the union of the truth, in [0, 1]; 0 where either has no area."""
    found, true = unary_union(list(predicted)), unary_union(list(truth))
    joined = found.union(true).area
    return float(found.intersection(true).area / joined) if joined > 0 else 0.0


def mean_iou_per_kind(hits: Iterable[LocalisedHit]) -> dict[str, float]:
    """Mean of :func:`union_iou` within the tile over the hits of each kind, kinds in alphabetical order.

    A hit counts 0 where nothing was predicted, and where its tile holds no true object (it was missed).
    """
    values: defaultdict[str, list[float]] = defaultdict(list)
    for hit in hits:
        truth = [outline.intersection(hit.tile) for outline in hit.truth]
        values[hit.kind].append(union_iou(hit.predicted, truth))
    return {kind: sum(values[kind]) / len(values[kind]) for kind in sorted(values)}
