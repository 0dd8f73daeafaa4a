"""The drawn-scene measurement: is the right object in the first hits, and do the subregions outline it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
from shapely import Polygon, box
from shapely.geometry.base import BaseGeometry

from engine.config import SearchOptions
from engine.demo.scene import SCENE_KINDS, write_scene
from engine.evaluate.localisation import LocalisedHit, mean_iou_per_kind
from engine.evaluate.wordings import DRAWN_SCENE_QUERIES, OUTLINED_AS
from engine.raster.source import RasterSource
from engine.search.hits import Hit
from engine.search.pipeline import Searcher
from engine.types import Progress, ProgressSink, Tile, no_progress

WITHIN = 5
SHARE_OF_OBJECT = 0.5
SHARE_OF_TILE = 0.1


@dataclass(frozen=True, slots=True)
class SceneReport:
    """One seed. ``first`` and ``within``: queries whose first hit, or one of the first five, contains the object;
    ``iou``: per kind, of the first hit's subregions with the true objects in its tile, 0 where the tile was missed.
    """

    seed: int
    queries: int
    first: int
    within: int
    missed: tuple[str, ...]
    iou: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "queries": self.queries,
            "first_hit_right": self.first,
            f"right_within_{WITHIN}": self.within,
            "first_hit_wrong": list(self.missed),
            "mean_iou": round(float(np.mean(list(self.iou.values()))), 4),
            "iou": {kind: round(value, 3) for kind, value in self.iou.items()},
        }


def evaluate_scene(
    searcher: Searcher, folder: Path, seed: int, options: SearchOptions, progress: ProgressSink = no_progress
) -> SceneReport:
    """Draws the scene of a seed and searches it for the twenty wordings and for the phrase of each kind it shows.

    A tile contains an object when at least half of the object lies in it, or the object covers at least a tenth of it.
    """
    scene = write_scene(folder, seed, progress=progress)
    objects = _objects_in_pixels(scene.objects, scene.raster)
    options = options.model_copy(update={"top": max(WITHIN, options.refine)})
    ranks: list[int | None] = []
    for done, (query, kinds) in enumerate(DRAWN_SCENE_QUERIES):
        progress(Progress("wordings", done, len(DRAWN_SCENE_QUERIES), query))
        true = [polygon for kind in kinds for polygon in objects.get(kind, [])]
        ranks.append(_first_right(searcher.search(query, [scene.raster], options).hits, true))
    localised = []
    few = options.model_copy(update={"refine": min(options.refine, WITHIN)})  # only the first hit is looked at
    measured = [kind for kind in SCENE_KINDS if kind in objects and kind not in OUTLINED_AS.values()]
    for done, kind in enumerate(measured):
        progress(Progress("kinds", done, len(measured), SCENE_KINDS[kind]))
        hit = searcher.search(SCENE_KINDS[kind], [scene.raster], few).hits[0]
        localised.append(_localised(kind, hit, objects[kind], objects.get(OUTLINED_AS.get(kind, kind), [])))
    return SceneReport(
        seed,
        len(ranks),
        sum(rank == 1 for rank in ranks),
        sum(rank is not None and rank <= WITHIN for rank in ranks),
        tuple(query for (query, _), rank in zip(DRAWN_SCENE_QUERIES, ranks, strict=True) if rank != 1),
        mean_iou_per_kind(localised),
    )


def _objects_in_pixels(file: Path, raster: Path) -> dict[str, list[Polygon]]:
    """True outlines by kind, in the raster's pixel coordinates."""
    frame = geopandas.read_file(file)
    with RasterSource.open(raster) as source:
        to_pixels = ~source.transform
    frame["geometry"] = frame.geometry.affine_transform(to_pixels.to_shapely())
    return {str(kind): list(group.geometry) for kind, group in frame.groupby("kind")}


def _box(tile: Tile) -> Polygon:
    return box(tile.x, tile.y, tile.x + tile.width, tile.y + tile.height)


def _contains(tile: Polygon, objects: Sequence[BaseGeometry]) -> bool:
    within = [(polygon, polygon.intersection(tile).area) for polygon in objects if polygon.intersects(tile)]
    covered = sum(area for _, area in within)
    return covered >= SHARE_OF_TILE * tile.area or any(area >= SHARE_OF_OBJECT * p.area for p, area in within)


def _first_right(hits: Sequence[Hit], objects: Sequence[BaseGeometry]) -> int | None:
    return next((hit.rank for hit in hits if _contains(_box(hit.tile), objects)), None)


def _localised(kind: str, hit: Hit, objects: Sequence[Polygon], outlined: Sequence[Polygon]) -> LocalisedHit:
    """What was outlined against the truth; nothing counts where the tile was missed."""
    tile = _box(hit.tile)
    found = [subregion.polygon for subregion in hit.subregions] if _contains(tile, objects) else []
    return LocalisedHit(kind, tile, found, outlined)
