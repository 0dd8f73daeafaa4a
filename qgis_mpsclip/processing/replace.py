"""Whether a file that exists may be replaced by the result of a batch."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr

# What a batch writes, with columns by which its tables are told from others of these names.
_WRITTEN = {
    "hits": {"rank", "score", "score_global", "query", "raster"},
    "subregions": {"hit_rank", "query", "keyword", "score"},
    "summary": {"raster", "query", "hits", "tiles", "best_score"},
}
_KNOWN = {*_WRITTEN, "layer_styles"}
# Tables that GeoPackage and SQLite keep beside those of the layers.
_OWN = ("gpkg_", "sqlite_", "rtree_")


def is_replaced(file: Path) -> bool:
    """Whether there is a file; it must be one that a batch has written and nobody has added a layer to. Only reads it.

    Raises:
        MpsClipError: replacing it would delete something else.
    """
    if not file.exists():
        return False
    try:
        tables = _tables(file)
    except sqlite3.Error:
        tables = {}
    if "gpkg_contents" not in tables:
        raise _refusal(tr("{file} exists and is no GeoPackage that can be read.").format(file=file))
    foreign = sorted(name for name in tables if name not in _KNOWN and not name.startswith(_OWN))
    if foreign:
        raise _refusal(tr("{file} exists and holds other tables: {names}.").format(file=file, names=", ".join(foreign)))
    if any(not columns <= tables.get(name, set()) for name, columns in _WRITTEN.items()):
        raise _refusal(tr("{file} exists and is no result of a batch search.").format(file=file))
    return True


def _tables(file: Path) -> dict[str, set[str]]:
    """Names of tables and views, the batch's own with those of their columns."""
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
        tables: dict[str, set[str]] = {name: set() for name in names}
        for name in _WRITTEN.keys() & tables.keys():
            tables[name] = {row[0] for row in database.execute("SELECT name FROM pragma_table_info(?)", (name,))}
        return tables


def _refusal(problem: str) -> MpsClipError:
    return MpsClipError(problem, tr("It is left as it is: choose another name for the results."))
