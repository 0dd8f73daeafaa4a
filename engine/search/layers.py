"""Results as the two tables of the GeoPackage, in the CRS in which they are handed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import geopandas
import pandas as pd
from pyproj import CRS

from engine.raster.source import RasterSource
from engine.search.hits import RasterOutcome, SearchResult
from engine.search.places import Placement, tile_outline

HIT_FIELDS = {
    "rank": "int32",
    "score": "float64",
    "score_global": "float64",
    "score_regions": "float64",
    "percentile": "float64",
    "query": "object",
    "keywords": "object",
    "raster": "object",
    "tile_row": "int32",
    "tile_col": "int32",
    "model": "object",
}
SUBREGION_FIELDS = {
    "hit_rank": "int32",
    "query": "object",
    "keyword": "object",
    "score": "float64",
    "area_m2": "float64",
}

SUMMARY_FIELDS = {
    "raster": "object",
    "query": "object",
    "hits": "int32",
    "tiles": "int64",
    "best_score": "float64",
    "best_percentile": "float64",
    "seconds": "float64",
}


@dataclass(frozen=True, slots=True)
class ResultLayers:
    """``hits`` and ``subregions`` as data frames of polygons; missing numbers are NaN and become NULL."""

    hits: geopandas.GeoDataFrame
    subregions: geopandas.GeoDataFrame


def make_layers(results: Sequence[SearchResult]) -> ResultLayers:
    """Both layers of one or several queries; fields in the order of :data:`HIT_FIELDS` and :data:`SUBREGION_FIELDS`.

    Raises:
        RasterError: a raster is gone, or a hit lies where the CRS is not defined.
        ValueError: no result, or results handed over in different CRSs.
    """
    if len({result.crs for result in results}) != 1:
        raise ValueError("one CRS is needed, and at least one result")
    hits: list[dict[str, Any]] = []
    regions: list[dict[str, Any]] = []
    for result in results:
        _add(result, hits, regions)
    crs = results[0].crs
    return ResultLayers(_frame(hits, HIT_FIELDS, crs), _frame(regions, SUBREGION_FIELDS, crs))


def make_summary(results: Sequence[SearchResult], rasters: Sequence[str]) -> pd.DataFrame:
    """One row a raster and query, with :data:`SUMMARY_FIELDS`; a raster that was not searched has 0 tiles.

    Args:
        rasters: absolute paths or URIs, in the order of the rows.
    """
    rows = []
    for result in results:
        searched = dict(zip(result.rasters, result.outcomes, strict=True))
        hits = Counter(result.rasters[hit.raster] for hit in result.hits)
        for raster in rasters:
            outcome = searched.get(raster, RasterOutcome(0, None, None, 0.0))
            rows.append({"raster": raster, "query": result.query, "hits": hits[raster], **asdict(outcome)})
    return pd.DataFrame(_columns(rows, SUMMARY_FIELDS))


def _add(result: SearchResult, hits: list[dict[str, Any]], regions: list[dict[str, Any]]) -> None:
    """Appends the rows of one query."""
    keywords = ", ".join([*result.keywords.positives, *(f"-{word}" for word in result.keywords.negatives)])
    with ExitStack() as stack:
        sources = [stack.enter_context(RasterSource.open(path)) for path in result.rasters]
        placements = [Placement(source, result.crs) for source in sources]
        for hit in result.hits:
            placement = placements[hit.raster]
            hits.append(
                {
                    "rank": hit.rank,
                    "score": hit.score,
                    "score_global": hit.score_global,
                    "score_regions": hit.score_regions,
                    "percentile": hit.percentile,
                    "query": result.query,
                    "keywords": keywords,
                    "raster": result.rasters[hit.raster],
                    "tile_row": hit.tile.row,
                    "tile_col": hit.tile.col,
                    "model": result.model,
                    "geometry": placement.place(tile_outline(hit.tile)),
                }
            )
            regions += [
                {
                    "hit_rank": hit.rank,
                    "query": result.query,
                    "keyword": region.keyword,
                    "score": region.score,
                    "area_m2": placement.area_m2(region.polygon),
                    "geometry": placement.place(region.polygon),
                }
                for region in hit.subregions
            ]


def _frame(rows: Sequence[dict[str, Any]], fields: dict[str, str], crs: CRS | None) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame(_columns(rows, fields), geometry=[row["geometry"] for row in rows], crs=crs)


def _columns(rows: Sequence[dict[str, Any]], fields: dict[str, str]) -> dict[str, pd.Series[Any]]:
    return {name: pd.Series([row[name] for row in rows], dtype=dtype) for name, dtype in fields.items()}
