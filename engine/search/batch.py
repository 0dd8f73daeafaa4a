"""Many rasters and many queries, one GeoPackage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.config import SearchOptions
from engine.errors import UsageError
from engine.raster.gdal import canonical_path
from engine.search.hits import SearchResult
from engine.search.listeners import Listeners
from engine.search.output import check_output
from engine.search.pipeline import Searcher
from engine.search.write import SUFFIXES, write_geopackage
from engine.types import CancelCheck, Progress, ProgressSink, no_progress


def search_batch(
    searcher: Searcher,
    queries: Sequence[str],
    rasters: Sequence[str | Path],
    options: SearchOptions,
    out: Path,
    overwrite: bool = False,
    progress: ProgressSink = no_progress,
    cancel: CancelCheck | None = None,
) -> list[SearchResult]:
    """Searches all rasters for each query and writes the hits of all, with a table ``summary``.

    Each raster is opened and indexed once. A query's hits come from all rasters, ranked together: ``options.top`` of
    them in all. The summary has a row for each raster and query, also where no hit lies
    (:func:`engine.search.layers.make_summary`).

    Args:
        queries: at least one; blank and repeated ones are left out.
        progress: as of :meth:`engine.search.pipeline.Searcher.search`, with the query in the detail, and ``"write"``.

    Returns:
        One result a query, in their order.

    Raises:
        UsageError: no query or no raster; else as of :meth:`engine.search.pipeline.Searcher.search`.
        OutputError: the file exists and is not to be replaced, or cannot be written.
        Cancelled: when ``cancel`` or ``progress`` says so; no file is written, finished tiles and outlines are kept.
    """
    wanted = list(dict.fromkeys(query.strip() for query in queries if query.strip()))
    if not wanted or not rasters:
        what = "queries" if not wanted else "rasters"
        raise UsageError(f"The batch has no {what}.", "Give at least one query and one raster.", **{what: []})
    check_output(out, overwrite, SUFFIXES)
    results = searcher.search_all(wanted, rasters, options, Listeners(progress, cancel))
    progress(Progress("write", 0, 1, out.name))
    paths = list(dict.fromkeys(canonical_path(path) for path in rasters))
    write_geopackage(results, out, overwrite, paths)
    progress(Progress("write", 1, 1, out.name))
    return results
