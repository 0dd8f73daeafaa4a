"""The mosaic measurement: RSICD images on one canvas, found again through the whole engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import SearchOptions
from engine.datasets.rsicd import CaptionedImage, read_split
from engine.evaluate.mosaic import ORIGIN, PIXEL_M, Mosaic, write_mosaic
from engine.evaluate.wordings import SCENE_NAMES
from engine.search.hits import Hit
from engine.search.pipeline import Searcher
from engine.types import Progress, ProgressSink, no_progress

PLACES = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class MosaicReport:
    """``precision``: precision at 10 by scene; ``found``: share of captions whose cell is among the first k."""

    images: int
    overlap: float
    refined: int
    precision: dict[str, float]
    captions: int
    found: dict[int, float]

    def to_json(self) -> dict[str, Any]:
        return {
            "images": self.images,
            "overlap": self.overlap,
            "refined": self.refined,
            "mean_precision_at_10": round(float(np.mean(list(self.precision.values()))), 4),
            "precision_at_10": {name: round(value, 2) for name, value in self.precision.items()},
            "captions": self.captions,
            "captioned_cell_found": {f"first {k}": round(value, 4) for k, value in self.found.items()},
        }


def evaluate_mosaic(
    searcher: Searcher,
    data: Path,
    split: str,
    folder: Path,
    options: SearchOptions,
    captions: int = 200,
    seed: int = 0,
    progress: ProgressSink = no_progress,
) -> MosaicReport:
    """Searches a mosaic of a split for the 30 scene names and for ``captions`` captions of randomly chosen images.

    A hit belongs to the cell under its centre. Scene queries run with ``options``; caption queries without refinement,
    since what is measured there is the way from pixels to a cell.
    """
    mosaic = write_mosaic(read_split(data, split), folder / f"mosaic-{split}-{seed}.tif", seed)
    precision = {}
    for done, (scene, words) in enumerate(SCENE_NAMES.items()):
        progress(Progress("scenes", done, len(SCENE_NAMES), words))
        precision[scene] = scene_precision(searcher, mosaic, words, scene, options)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(mosaic.images), captions, replace=False)
    fast = options.model_copy(update={"top": max(PLACES), "refine": 0})
    ranks: list[int | None] = []
    for done, index in enumerate(chosen):
        progress(Progress("captions", done, captions))
        image = mosaic.images[int(index)]
        caption = image.captions[int(rng.integers(len(image.captions)))]
        ranks.append(_rank_of(mosaic, image, searcher.search(caption, [mosaic.raster], fast).hits))
    found = {k: float(np.mean([rank is not None and rank <= k for rank in ranks])) for k in PLACES}
    return MosaicReport(len(mosaic.images), options.overlap, options.refined, precision, captions, found)


def scene_precision(searcher: Searcher, mosaic: Mosaic, words: str, scene: str, options: SearchOptions) -> float:
    """Share of the first ten hits for ``words`` that lie on an image of the scene."""
    hits = searcher.search(words, [mosaic.raster], options.model_copy(update={"top": 10})).hits
    return float(np.mean([_is_scene(mosaic, hit, scene) for hit in hits]))


def _cell(mosaic: Mosaic, hit: Hit) -> CaptionedImage | None:
    x = ORIGIN[0] + (hit.tile.x + hit.tile.width / 2) * PIXEL_M
    y = ORIGIN[1] - (hit.tile.y + hit.tile.height / 2) * PIXEL_M
    return mosaic.image_at(x, y)


def _is_scene(mosaic: Mosaic, hit: Hit, scene: str) -> bool:
    image = _cell(mosaic, hit)
    return image is not None and image.scene == scene


def _rank_of(mosaic: Mosaic, image: CaptionedImage, hits: Sequence[Hit]) -> int | None:
    return next((hit.rank for hit in hits if _cell(mosaic, hit) is image), None)
