"""Indexes as JSON."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from engine.index.folder import IndexEntry, IndexFolder
from engine.types import Json

if TYPE_CHECKING:  # indexes are listed without loading PyTorch
    from engine.index.build import RasterIndex


def indexes_json(folder: IndexFolder) -> Json:
    """All indexes of a folder, their size and the space that is left."""
    entries = folder.entries()
    return {
        "folder": str(folder.path),
        "bytes": sum(entry.bytes for entry in entries),
        "free_bytes": folder.free_bytes(),
        "indexes": [_entry_json(entry) for entry in entries],
    }


def built_json(raster: str, index: RasterIndex, folder: IndexFolder) -> Json:
    """An index that has just got the tiles that were asked for: its key, how many, and where they come from."""
    return {
        "raster": raster,
        "key": folder.place(index.spec).name,
        "tiles": len(index.tiles),
        "encoded": index.encoded,
        "reused": index.reused,
        "left_out": index.left_out,
    }


def _entry_json(entry: IndexEntry) -> Json:
    record = entry.record
    return {
        "key": entry.name,
        "raster": record.raster if record else None,
        "model": record.model if record else None,
        "tile": record.side if record else None,
        "overlap": record.overlap if record else None,
        "bands": list(record.bands) if record else None,
        "tiles": record.tiles if record else None,
        "done": entry.done,
        "bytes": entry.bytes,
        "modified": datetime.fromtimestamp(entry.modified, timezone.utc).isoformat(timespec="seconds"),
        "stale": entry.stale,
    }
