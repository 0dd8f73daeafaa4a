"""A result as JSON: what ``--json`` prints, and what is handed to other processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict

from pyproj import CRS
from shapely import Polygon

from engine.raster.source import RasterSource
from engine.search.context import SearchContext
from engine.search.hits import Hit, SearchResult
from engine.search.places import Placement, tile_outline
from engine.types import Json


def report(result: SearchResult, geometry: bool = False) -> Json:
    """Hits with their bounds (x0, y0, x1, y1 in ``crs``), counts and seconds; ready for JSON.

    Args:
        geometry: hits as :func:`hit_json` has them; else without outlines, their subregions counted by keyword.

    Raises:
        RasterError: a raster is gone, or a hit lies where the CRS is not defined.
    """
    with ExitStack() as stack:
        sources = [stack.enter_context(RasterSource.open(path)) for path in result.rasters]
        context = SearchContext.of(sources, result.crs)
    hits = hits_json(result.hits, context)
    return {
        "query": result.query,
        "keywords": list(result.keywords.positives),
        "negatives": list(result.keywords.negatives),
        "words_read_as": {word: list(known) for word, known in result.words_read_as.items()},
        "model": result.model,
        "score": result.mode.value,
        "crs": crs_name(result.crs),
        "hits": hits if geometry else [_without_geometry(hit) for hit in hits],
        "counts": asdict(result.counts) | _found(result.hits),
        "timings": {name: round(seconds, 4) for name, seconds in asdict(result.timings).items()}
        | {"total": round(result.timings.total, 4)},
    }


def hits_json(hits: Iterable[Hit], context: SearchContext) -> list[Json]:
    """Hits as :func:`hit_json` has them; usable in the callbacks of a search."""
    return [hit_json(hit, context.placements[hit.raster], context.rasters[hit.raster]) for hit in hits]


def hit_json(hit: Hit, placement: Placement, raster_path: str) -> Json:
    """One hit, ready for JSON; outlines are GeoJSON polygons in ``placement.target``.

    Raises:
        RasterError: it lies where that CRS is not defined.
    """
    outline = placement.place(tile_outline(hit.tile))
    return {
        "rank": hit.rank,
        "score": hit.score,
        "score_global": hit.score_global,
        "score_regions": hit.score_regions,
        "percentile": hit.percentile,
        "refined": hit.refined,
        "bounds": list(outline.bounds),
        "raster": raster_path,
        "tile_row": hit.tile.row,
        "tile_col": hit.tile.col,
        "pixels": [hit.tile.x, hit.tile.y, hit.tile.width, hit.tile.height],
        "geometry": _geojson(outline),
        "subregions": [
            {
                "keyword": region.keyword,
                "score": region.score,
                "geometry": _geojson(placement.place(region.polygon)),
            }
            for region in hit.subregions
        ],
    }


def crs_name(crs: CRS | None) -> str | None:
    """``"EPSG:25832"``, else WKT; None for none."""
    if crs is None:
        return None
    authority = crs.to_authority()
    return ":".join(authority) if authority else str(crs.to_wkt())


def _found(hits: Sequence[Hit]) -> Json:
    return {
        "hits": len(hits),
        "refined": sum(hit.refined for hit in hits),
        "subregions": sum(len(hit.subregions) for hit in hits),
    }


def _without_geometry(hit: Json) -> Json:
    counted = Counter(region["keyword"] for region in hit["subregions"])
    return {key: value for key, value in hit.items() if key != "geometry"} | {"subregions": dict(counted)}


def _geojson(polygon: Polygon) -> Json:
    rings = [polygon.exterior, *polygon.interiors]
    return {"type": "Polygon", "coordinates": [[list(point) for point in ring.coords] for ring in rings]}
