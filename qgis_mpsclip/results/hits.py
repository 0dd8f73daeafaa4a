"""Hits as the plugin holds them, read from the engine's JSON or from the layers of a result file."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from qgis.core import NULL, QgsGeometry, QgsJsonUtils, QgsVectorLayer

HitKey = tuple[str, int, int]
"""Raster, row and column of the tile: stays the same when a hit's rank changes."""


@dataclass(frozen=True)
class Subregion:
    """An outlined keyword: ``score`` in [0, 1], ``geometry`` in the CRS of the result."""

    keyword: str
    score: float
    geometry: QgsGeometry


@dataclass(frozen=True)
class Hit:
    """A tile that answers the query.

    Attributes:
        rank: from 1.
        score: by which it is ranked; ``score_global``: likeness of the whole tile to the query; ``score_regions``: that
            of its outlines, None where there are none.
        percentile: share (0..100) of all searched tiles that score lower; None in files of earlier versions.
        refined: whether its keywords have been looked for.
        raster: path or URI as the engine opened it.
        tile_row, tile_col: place in the grid, from 0.
        geometry: outline of the tile in the CRS of the result.
        subregions: what was outlined on it.
    """

    rank: int
    score: float
    score_global: float
    score_regions: float | None
    percentile: float | None
    refined: bool
    raster: str
    tile_row: int
    tile_col: int
    geometry: QgsGeometry
    subregions: tuple[Subregion, ...] = ()

    @property
    def key(self) -> HitKey:
        return self.raster, self.tile_row, self.tile_col

    @property
    def keywords(self) -> dict[str, int]:
        """Number of outlines by keyword, in order of appearance."""
        return dict(Counter(region.keyword for region in self.subregions))


def hit_from_json(data: dict[str, Any]) -> Hit:
    """A hit of the protocol's notifications and reports (docs/protocol.md).

    Raises:
        KeyError, TypeError, ValueError: it does not have the protocol's form.
    """
    return Hit(
        rank=int(data["rank"]),
        score=float(data["score"]),
        score_global=float(data["score_global"]),
        score_regions=_number(data.get("score_regions")),
        percentile=_number(data.get("percentile")),
        refined=bool(data["refined"]),
        raster=str(data["raster"]),
        tile_row=int(data["tile_row"]),
        tile_col=int(data["tile_col"]),
        geometry=_geometry(data["geometry"]),
        subregions=tuple(
            Subregion(str(region["keyword"]), float(region["score"]), _geometry(region["geometry"]))
            for region in data.get("subregions") or ()
        ),
    )


def hits_from_layers(hits: QgsVectorLayer, subregions: QgsVectorLayer | None) -> list[Hit]:
    """The hits of a result file, by rank. A file does not say which hits were refined: those with outlines were."""
    outlines: dict[int, list[Subregion]] = {}
    for feature in subregions.getFeatures() if subregions is not None else ():
        region = Subregion(str(feature["keyword"]), _number(feature["score"]) or 0.0, QgsGeometry(feature.geometry()))
        outlines.setdefault(int(feature["hit_rank"]), []).append(region)
    known = set(hits.fields().names())
    found = []
    for feature in hits.getFeatures():
        rank = int(feature["rank"])
        regions = _number(feature["score_regions"])
        found.append(
            Hit(
                rank=rank,
                score=float(feature["score"]),
                score_global=float(feature["score_global"]),
                score_regions=regions,
                percentile=_number(feature["percentile"]) if "percentile" in known else None,
                refined=regions is not None or rank in outlines,
                raster=str(feature["raster"]),
                tile_row=int(feature["tile_row"]),
                tile_col=int(feature["tile_col"]),
                geometry=QgsGeometry(feature.geometry()),
                subregions=tuple(outlines.get(rank, ())),
            )
        )
    return sorted(found, key=lambda hit: hit.rank)


def _number(value: Any) -> float | None:
    return None if value is None or value == NULL else float(value)


def _geometry(data: dict[str, Any]) -> QgsGeometry:
    geometry = QgsJsonUtils.geometryFromGeoJson(json.dumps(data))
    if geometry.isNull():
        raise ValueError(f"no GeoJSON geometry: {data!r:.80}")
    return geometry
