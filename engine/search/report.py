"""A result as JSON: what ``--json`` prints, and what is handed to other processes."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict

from engine.raster.source import RasterSource
from engine.search.hits import SearchResult
from engine.search.places import Placement, tile_outline
from engine.types import Json


def report(result: SearchResult) -> Json:
    """Hits with their bounds (x0, y0, x1, y1 in ``crs``), counts and seconds; ready for JSON."""
    with ExitStack() as stack:
        sources = [stack.enter_context(RasterSource.open(path)) for path in result.rasters]
        placements = [Placement(source, result.crs) for source in sources]
        hits = [
            {
                "rank": hit.rank,
                "score": hit.score,
                "score_global": hit.score_global,
                "score_regions": hit.score_regions,
                "refined": hit.refined,
                "bounds": list(placements[hit.raster].place(tile_outline(hit.tile)).bounds),
                "raster": result.rasters[hit.raster],
                "tile_row": hit.tile.row,
                "tile_col": hit.tile.col,
                "pixels": [hit.tile.x, hit.tile.y, hit.tile.width, hit.tile.height],
                "subregions": dict(Counter(region.keyword for region in hit.subregions)),
            }
            for hit in result.hits
        ]
    return {
        "query": result.query,
        "keywords": list(result.keywords.positives),
        "negatives": list(result.keywords.negatives),
        "model": result.model,
        "score": result.mode.value,
        "crs": _name(result),
        "hits": hits,
        "counts": asdict(result.counts) | {"hits": len(hits), "refined": sum(hit.refined for hit in result.hits)},
        "timings": {name: round(seconds, 4) for name, seconds in asdict(result.timings).items()}
        | {"total": round(result.timings.total, 4)},
    }


def _name(result: SearchResult) -> str | None:
    if result.crs is None:
        return None
    authority = result.crs.to_authority()
    return ":".join(authority) if authority else str(result.crs.to_wkt())
