"""Regions of tiles and their embeddings, kept in a Lance table beside an index's tiles.

The index fixes raster, grid, bands and model; the table adds tile, keyword and segmenter. A keyword that was looked for
and not found has a row too.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa

from engine.index.lock import exclusive
from engine.types import BoolArray, Float32Array

TABLE = "regions"
LOCK = "regions.lock"
FORMAT = 1
"""Version of the rows and of how masks become embeddings; part of every row's key, so older rows are not found."""

MOST_FRAGMENTS = 16  # a read opens each of them
LONGEST_WAIT = 20.0  # seconds
KEPT_VERSIONS = timedelta(hours=1)  # longer than any read: another process may be at an older version

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A keyword found on a tile: ``mask`` bool ``(H, W)`` over the whole tile, ``score`` in [0, 1], embedding ``(E,)``
    of the subimage that the mask cuts out.
    """

    mask: BoolArray
    score: float
    embedding: Float32Array


RegionKey = tuple[int, str]
"""Number of the tile in its grid, and keyword."""

RegionRows = Mapping[RegionKey, Region | None]
"""What is known: None where the keyword was looked for and not found."""


class RegionStore:
    """The regions of one index and one segmenter.

    A cache: what cannot be read is looked for again, what cannot be written is done without, and the log says so.
    Processes may share it; each write is one transaction under a lock that ends with its process.

    Args:
        folder: of the index.
        embed_dim: width of an embedding.
        segmenter: :attr:`engine.segment.contract.Segmenter.identity`.
    """

    def __init__(self, folder: Path, embed_dim: int, segmenter: str) -> None:
        self._folder, self._segmenter = folder, segmenter
        self._damaged = False
        self._schema = pa.schema(
            [
                pa.field("tile", pa.int64(), nullable=False),
                pa.field("key", pa.string(), nullable=False),
                pa.field("score", pa.float64()),
                pa.field("height", pa.int32()),
                pa.field("width", pa.int32()),
                pa.field("mask", pa.binary()),  # bits in row order, deflated; null: not found
                pa.field("embedding", pa.list_(pa.float32(), embed_dim)),
            ]
        )

    def read(self, tiles: Sequence[int], keywords: Sequence[str]) -> dict[RegionKey, Region | None]:
        """What is known of these keywords on these tiles."""
        if not tiles or not keywords or not (self._folder / f"{TABLE}.lance").exists():
            return {}
        keyword_of = {self._key(keyword): keyword for keyword in keywords}
        keys = ", ".join(f"'{key}'" for key in keyword_of)
        numbers = ", ".join(str(int(tile)) for tile in tiles)
        try:
            query = self._open().search().where(f"key IN ({keys}) AND tile IN ({numbers})")
            rows = query.limit(None).to_arrow().combine_chunks()
            found = [keyword_of[key] for key in rows.column("key").to_pylist()]
            return dict(zip(zip(rows.column("tile").to_pylist(), found, strict=True), _regions(rows), strict=True))
        except Exception as error:  # of damaged files lancedb raises anything, panics included
            _log.warning("Kept regions in %s cannot be read and are looked for again (%s)", self._folder, error)
            self._damaged = True
            return {}

    def append(self, regions: RegionRows) -> None:
        """Commit regions in one transaction."""
        if not regions:
            return
        try:
            with exclusive(self._folder / LOCK, _patience()):
                table = self._open_or_create()
                table.add(self._rows(regions))
                if table.stats()["fragment_stats"]["num_fragments"] > MOST_FRAGMENTS:
                    table.optimize(cleanup_older_than=KEPT_VERSIONS)
        except Exception as error:  # as above; a search does not fail for want of a cache
            _log.warning("Regions cannot be kept in %s (%s)", self._folder, error)

    def _key(self, keyword: str) -> str:
        return hashlib.sha256(f"{FORMAT}\n{self._segmenter}\n{keyword}".encode()).hexdigest()[:32]

    def _rows(self, regions: RegionRows) -> pa.Table:
        found = list(regions.values())
        width = self._schema.field("embedding").type.list_size
        embeddings = np.zeros((len(found), width), np.float32)
        for row, region in zip(embeddings, found, strict=True):
            row[:] = 0.0 if region is None else region.embedding
        missing = pa.array([region is None for region in found])
        columns: dict[str, Any] = {
            "tile": [tile for tile, _ in regions],
            "key": [self._key(keyword) for _, keyword in regions],
            "score": [region and region.score for region in found],
            "height": [region and region.mask.shape[0] for region in found],
            "width": [region and region.mask.shape[1] for region in found],
            "mask": [region and zlib.compress(np.packbits(region.mask).tobytes(), 1) for region in found],
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(embeddings.reshape(-1)), width, mask=missing),
        }
        return pa.table(columns, schema=self._schema)

    def _open(self) -> Any:
        table = lancedb.connect(self._folder).open_table(TABLE)
        if table.schema != self._schema:
            raise ValueError("the table has other columns")
        return table

    def _open_or_create(self) -> Any:
        """Only for who holds the lock; a damaged table is dropped."""
        place = self._folder / f"{TABLE}.lance"
        if place.exists():
            try:
                table = self._open()
                if self._damaged:  # when it was read; another process may have been making it, or have mended it
                    table.to_arrow()
                    self._damaged = False
                return table
            except Exception as error:  # as above
                _log.warning("Kept regions in %s are damaged and dropped (%s)", self._folder, error)
        self._damaged = False
        shutil.rmtree(place, ignore_errors=True)
        return lancedb.connect(self._folder).create_table(TABLE, schema=self._schema)


def _regions(rows: Any) -> Iterator[Region | None]:
    """The regions of a table without chunks, row by row."""
    embeddings = rows.column("embedding").combine_chunks()
    width = embeddings.type.list_size
    # Flattening would leave out rows that are null.
    values = embeddings.values.to_numpy(zero_copy_only=False).reshape(-1, width)[embeddings.offset :]
    columns = (rows.column(name).to_pylist() for name in ("mask", "height", "width", "score"))
    for packed, rows_, columns_, score, embedding in zip(*columns, values[: len(rows)], strict=True):
        yield None if packed is None else Region(_unpacked(packed, rows_, columns_), score, embedding.copy())


def _unpacked(packed: bytes, height: int, width: int) -> BoolArray:
    bits = np.frombuffer(zlib.decompress(packed), np.uint8)
    return np.unpackbits(bits, count=height * width).reshape(height, width).astype(np.bool_)


def _patience() -> Callable[[], None]:
    """Raises OSError when a write, which takes milliseconds, has waited too long: its holder hangs."""
    deadline = time.monotonic() + LONGEST_WAIT

    def waiting() -> None:
        if time.monotonic() > deadline:
            raise TimeoutError("another process holds the lock")

    return waiting
