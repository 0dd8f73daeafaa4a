"""How well subregions cover the true objects, by kind (drawn scene; no imagery at hand has masks)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shapely import Polygon, unary_union


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
    predicted: Sequence[Polygon]
    truth: Sequence[Polygon]


def union_iou(hit: LocalisedHit) -> float:
    """IoU of the union of the predictions and the union of the truth within the tile, in [0, 1].

    0 where nothing was predicted, and where the tile holds no true object (the tile was missed).
    """
    truth = unary_union(list(hit.truth)).intersection(hit.tile)
    predicted = unary_union(list(hit.predicted)).intersection(hit.tile)
    if truth.is_empty or truth.area == 0:
        return 0.0
    return float(predicted.intersection(truth).area / predicted.union(truth).area)


def mean_iou_per_kind(hits: Iterable[LocalisedHit]) -> dict[str, float]:
    """Mean of :func:`union_iou` over the hits of each kind, kinds in alphabetical order."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for hit in hits:
        values[hit.kind].append(union_iou(hit))
    return {kind: sum(values[kind]) / len(values[kind]) for kind in sorted(values)}
