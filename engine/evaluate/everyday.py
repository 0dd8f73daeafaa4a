"""Everyday wording against the benchmark's: does the model know the things, or only RSICD's names for them?

The pairs were written down before any model was run on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import SearchOptions
from engine.datasets.rsicd import read_split
from engine.evaluate.everyday_development import DEVELOPMENT_WORDS
from engine.evaluate.mosaic import write_mosaic
from engine.evaluate.mosaic_search import scene_precision
from engine.evaluate.wordings import SCENE_NAMES
from engine.search.pipeline import Searcher
from engine.types import Progress, ProgressSink, no_progress

# (what people say, what RSICD's captions say, the scene that is meant)
EVERYDAY_PAIRS: tuple[tuple[str, str, str], ...] = (
    ("airfield", "airport", "airport"),
    ("aircraft at the terminal", "planes near the terminal building", "airport"),
    ("bare soil", "bare land", "bareland"),
    ("empty dirt ground", "a piece of bareland", "bareland"),
    ("baseball diamond", "baseball field", "baseballfield"),
    ("softball ground", "baseball fields", "baseballfield"),
    ("seashore with sand", "beach", "beach"),
    ("sandy coast", "beach near the ocean", "beach"),
    ("river crossing", "bridge over a river", "bridge"),
    ("road across the water", "bridge on the water", "bridge"),
    ("exhibition hall", "center building", "center"),
    ("convention centre with a large roof", "large center building", "center"),
    ("cathedral", "church", "church"),
    ("chapel", "church building", "church"),
    ("shopping district", "commercial area", "commercial"),
    ("downtown office blocks", "tall buildings in a commercial area", "commercial"),
    ("crowded housing", "dense residential area", "denseresidential"),
    ("packed neighbourhood of small houses", "many houses in a dense residential area", "denseresidential"),
    ("sand dunes", "desert", "desert"),
    ("arid sandy wasteland", "yellow desert", "desert"),
    ("crop fields", "farmland", "farmland"),
    ("agricultural land", "pieces of farmland", "farmland"),
    ("woods", "forest", "forest"),
    ("woodland", "dense green forest", "forest"),
    ("factories", "industrial area", "industrial"),
    ("warehouses", "factory buildings in an industrial area", "industrial"),
    ("grassland", "meadow", "meadow"),
    ("pasture", "green meadow", "meadow"),
    ("suburban homes", "medium residential area", "mediumresidential"),
    ("suburb with gardens", "houses in a medium residential area", "mediumresidential"),
    ("rocky peaks", "mountain", "mountain"),
    ("hills and ridges", "mountains", "mountain"),
    ("public garden", "park", "park"),
    ("green space in the city", "park with trees and a lake", "park"),
    ("car park", "parking lot", "parking"),
    ("parked vehicles", "cars in a parking lot", "parking"),
    ("running track", "playground", "playground"),
    ("soccer pitch with an athletics track", "playground with a football field", "playground"),
    ("small lake", "pond", "pond"),
    ("reservoir", "dark green pond", "pond"),
    ("marina", "port", "port"),
    ("dock with ships", "boats in a port", "port"),
    ("train station", "railway station", "railwaystation"),
    ("rail terminal", "railway station with tracks", "railwaystation"),
    ("holiday village", "resort", "resort"),
    ("hotel with a swimming pool", "resort with swimming pools", "resort"),
    ("winding stream", "river", "river"),
    ("waterway", "curved river", "river"),
    ("college campus", "school", "school"),
    ("schoolyard", "school with a playground", "school"),
    ("isolated farmhouse", "sparse residential area", "sparseresidential"),
    ("a lonely house among trees", "a house in a sparse residential area", "sparseresidential"),
    ("plaza", "square", "square"),
    ("civic plaza", "square with roads around it", "square"),
    ("sports arena", "stadium", "stadium"),
    ("football arena with stands", "large stadium", "stadium"),
    ("oil tanks", "storage tanks", "storagetanks"),
    ("petrol depot", "white storage tanks", "storagetanks"),
    ("flyover", "viaduct", "viaduct"),
    ("motorway interchange", "viaduct with several roads", "viaduct"),
)

DEVELOPMENT_PAIRS = tuple(
    (people, SCENE_NAMES[scene], scene) for scene, words in DEVELOPMENT_WORDS.items() for people in words
)


@dataclass(frozen=True, slots=True)
class EverydayReport:
    """Precision at 10 of each pair: what people say, what RSICD says."""

    precision: dict[tuple[str, str], tuple[float, float]]

    def to_json(self) -> dict[str, Any]:
        people, benchmark = (float(np.mean(column)) for column in zip(*self.precision.values(), strict=True))
        return {
            "pairs": len(self.precision),
            "precision_at_10_everyday": round(people, 4),
            "precision_at_10_benchmark": round(benchmark, 4),
            "by_pair": [[*words, *values] for words, values in self.precision.items()],
        }


def evaluate_everyday(
    searcher: Searcher,
    data: Path,
    split: str,
    folder: Path,
    options: SearchOptions,
    seed: int = 0,
    progress: ProgressSink = no_progress,
    pairs: Sequence[tuple[str, str, str]] = EVERYDAY_PAIRS,
) -> EverydayReport:
    """Searches the mosaic of a split for both wordings of each pair; a hit is right if its cell shows the scene."""
    mosaic = write_mosaic(read_split(data, split), folder / f"mosaic-{split}-{seed}.tif", seed)
    precision = {}
    for done, (people, benchmark, scene) in enumerate(pairs):
        progress(Progress("wordings", done, len(pairs), people))
        both = [scene_precision(searcher, mosaic, words, scene, options) for words in (people, benchmark)]
        precision[people, benchmark] = (both[0], both[1])
    return EverydayReport(precision)
