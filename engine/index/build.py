"""Filling an index: every tile that is not in it yet is read, encoded and committed."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import count
from pathlib import Path

import numpy as np
import torch

from engine.config import IndexOptions
from engine.errors import Cancelled, IndexStoreError
from engine.index.folder import COMPLETE, LOCK, IndexFolder, read_record, write_record
from engine.index.lock import exclusive
from engine.index.spec import IndexRecord, IndexSpec
from engine.index.store import TABLE, Score, TileStore
from engine.models.contract import RetrievalModel
from engine.raster.grid import Grid
from engine.raster.read import TileReader, iter_tiles
from engine.raster.source import RasterSource
from engine.raster.stretch import Stretch, compute_stretch
from engine.types import (
    BoolArray,
    CancelCheck,
    Float32Array,
    IntArray,
    Progress,
    ProgressSink,
    Tile,
    UInt8Array,
    no_progress,
)

MAX_COMMIT_TILES = 8192
CPU_BATCH, GPU_BATCH = 32, 256
LOOK_EVERY = 5  # polls of a lock that another process holds: about a second
MOST_FRAGMENTS = 32  # of an index that is filled area by area

TileNumbers = range | IntArray
"""Of a whole grid, or some of them, ascending."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RasterIndex:
    """An index that has all tiles that were asked for.

    Attributes:
        store: the embeddings; of other tiles too, where only a part was asked for.
        tiles: numbers of the tiles that were asked for, ascending.
        stretch: with which the tiles were read.
        encoded: tiles that this call has encoded.
        reused: tiles that were there before, by this process or another.
        left_out: of both, tiles with too few valid pixels.
    """

    spec: IndexSpec
    store: TileStore
    tiles: TileNumbers
    stretch: Stretch
    encoded: int
    reused: int
    left_out: int

    def score(self, score: Score) -> tuple[IntArray, Float32Array]:
        """:meth:`engine.index.store.TileStore.score` of the tiles that were asked for."""
        return self.store.score(score, _chosen(self.tiles))


def build_index(
    source: RasterSource,
    model: RetrievalModel,
    options: IndexOptions,
    folder: IndexFolder,
    progress: ProgressSink = no_progress,
    cancel: CancelCheck | None = None,
    tiles: IntArray | None = None,
) -> RasterIndex:
    """The index of a raster; encodes what is missing of the tiles asked for, and nothing else.

    Work is committed every ``options.commit_seconds`` and when the call is interrupted, so that the next one goes on
    from there. One process at a time encodes for an index; others wait and use what it has done, or go on when it dies.
    A damaged index is made anew, with a warning in the log. An index is complete when it has all tiles of the grid,
    whichever calls have asked for them.

    Args:
        tiles: numbers of the tiles to have, ascending; None: all.
        progress: receives the stage ``"index"`` in tiles.
        cancel: asked between batches and while waiting.

    Raises:
        UsageError, BandError: the options do not fit the raster.
        RasterError: the raster is damaged.
        IndexStoreError: the index cannot be written.
        Cancelled: when ``cancel`` or ``progress`` says so.
    """
    spec = IndexSpec.of(source, model, options)
    wanted: TileNumbers = range(len(spec.grid)) if tiles is None or len(tiles) == len(spec.grid) else tiles
    place = folder.create(spec)
    found = _open_filled(place, spec, wanted)
    if found is not None:
        return found
    polls = count()

    def waiting() -> None:
        progress(Progress("index", 0, len(wanted), f"{source.name}: another process is at it"))
        if cancel is not None and cancel():
            raise Cancelled
        found = _open_filled(place, spec, wanted) if next(polls) % LOOK_EVERY == LOOK_EVERY - 1 else None
        if found is not None:
            raise _FilledMeanwhile(found)

    try:
        with exclusive(place / LOCK, waiting):
            return _fill_missing(place, spec, wanted, source, model, options, progress, cancel)
    except _FilledMeanwhile as meanwhile:
        return meanwhile.index


class _FilledMeanwhile(Exception):
    """While this process waited another has encoded what it wants; it may go on with other tiles for long."""

    def __init__(self, index: RasterIndex) -> None:
        self.index = index
        super().__init__()


def _open_filled(place: Path, spec: IndexSpec, wanted: TileNumbers) -> RasterIndex | None:
    """Without the lock: where all wanted tiles are there it does not matter who else is adding others."""
    record = read_record(place)
    everything = len(wanted) == len(spec.grid)
    if record is None or record.key != spec.key or (everything and not (place / COMPLETE).exists()):
        return None
    try:
        store = TileStore(place, spec.embed_dim)
        if _count_done(store, wanted) < len(wanted):
            return None
        left_out = store.count_left_out(_chosen(wanted))
    except IndexStoreError:
        return None  # damaged, or compacted just now: looked at again under the lock
    return RasterIndex(spec, store, wanted, record.stretch, 0, len(wanted), left_out)


def _fill_missing(
    place: Path,
    spec: IndexSpec,
    wanted: TileNumbers,
    source: RasterSource,
    model: RetrievalModel,
    options: IndexOptions,
    progress: ProgressSink,
    cancel: CancelCheck | None,
) -> RasterIndex:
    """Only for who holds the lock."""
    store, stretch = _open(place, spec, source, options)
    before = _count_done(store, wanted)
    if before < len(wanted):
        _fill(store, stretch, spec, wanted, source, model, options, progress, cancel)
    complete = len(store.done) == len(spec.grid)
    if complete and not (place / COMPLETE).exists():
        store.compact()
        (place / COMPLETE).touch()
    elif not complete and store.fragments > MOST_FRAGMENTS:
        store.compact()
    encoded = _count_done(store, wanted) - before
    return RasterIndex(spec, store, wanted, stretch, encoded, before, store.count_left_out(_chosen(wanted)))


def _open(place: Path, spec: IndexSpec, source: RasterSource, options: IndexOptions) -> tuple[TileStore, Stretch]:
    record = read_record(place)
    if record is not None and record.key == spec.key:
        try:
            return TileStore(place, spec.embed_dim), record.stretch
        except IndexStoreError as error:
            _log.warning("The index of %s is damaged and made anew (%s)", source.path, error.problem)
    (place / COMPLETE).unlink(missing_ok=True)
    table = place / f"{TABLE}.lance"
    if table.exists():
        shutil.rmtree(table, ignore_errors=True)
    stretch = spec.stretch or compute_stretch(source, options.bands)
    store = TileStore(place, spec.embed_dim, create=True)
    # The record comes last: where there is one there is a table.
    write_record(place, IndexRecord.of(spec, stretch, datetime.now(timezone.utc).isoformat(timespec="seconds")))
    return store, stretch


def _fill(
    store: TileStore,
    stretch: Stretch,
    spec: IndexSpec,
    wanted: TileNumbers,
    source: RasterSource,
    model: RetrievalModel,
    options: IndexOptions,
    progress: ProgressSink,
    cancel: CancelCheck | None,
) -> None:
    buffer = _Buffer(store, options.commit_seconds)
    batch_size = options.batch_size or (CPU_BATCH if model.device.type == "cpu" else GPU_BATCH)
    total, count = len(wanted), _count_done(store, wanted)
    progress(Progress("index", count, total, source.name))
    # The threshold is applied here, not by the reader: tiles that are left out are recorded too.
    with TileReader(source.path, options.bands, stretch, model.image_size, min_valid=0.0) as reader:
        workers = max(1, min(4, (os.cpu_count() or 2) // 2))
        batches = iter_tiles(reader, _missing(store, spec.grid, wanted), batch_size, 2, workers, cancel)
        try:
            for tiles, images, valid in batches:
                embeddings = _encode(model, images, (valid > 0) & (valid >= options.min_valid))
                buffer.add([_number(spec.grid, tile) for tile in tiles], valid, embeddings)
                count += len(tiles)
                progress(Progress("index", count, total, source.name))
        finally:
            # Also when interrupted: what is finished is kept.
            batches.close()  # type: ignore[attr-defined]  # a generator; its threads end here
            buffer.commit()


def _encode(model: RetrievalModel, images: UInt8Array, keep: BoolArray) -> Float32Array:
    """Embeddings ``(B, E)`` of images ``(B, s, s, 3)``; NaN where ``keep`` ``(B,)`` is false."""
    out = np.full((len(images), model.embed_dim), np.nan, dtype=np.float32)
    if keep.any():
        with torch.inference_mode():
            out[keep] = model.encode_images(model.preprocess(images[keep])).float().cpu().numpy()
    return out


def _missing(store: TileStore, grid: Grid, wanted: TileNumbers) -> Iterator[Tile]:
    done = store.done
    at = 0
    for number in wanted:
        while at < len(done) and done[at] < number:
            at += 1
        if at == len(done) or done[at] != number:
            yield grid[int(number)]


def _count_done(store: TileStore, wanted: TileNumbers) -> int:
    chosen = _chosen(wanted)
    return len(store.done) if chosen is None else int(np.isin(chosen, store.done).sum())


def _chosen(wanted: TileNumbers) -> IntArray | None:
    """None for all tiles of a grid."""
    return None if isinstance(wanted, range) else wanted


def _number(grid: Grid, tile: Tile) -> int:
    return tile.row * grid.n_cols + tile.col


class _Buffer:
    """Rows that wait for the next commit."""

    def __init__(self, store: TileStore, seconds: float) -> None:
        self._store, self._seconds = store, seconds
        self._clear()

    def add(self, tiles: list[int], valid: Float32Array, embeddings: Float32Array) -> None:
        self._tiles += tiles
        self._valid.append(valid)
        self._embeddings.append(embeddings)
        if len(self._tiles) >= MAX_COMMIT_TILES or time.monotonic() - self._since >= self._seconds:
            self.commit()

    def commit(self) -> None:
        if self._tiles:
            self._store.append(self._tiles, np.concatenate(self._valid), np.concatenate(self._embeddings))
        self._clear()

    def _clear(self) -> None:
        self._tiles: list[int] = []
        self._valid: list[Float32Array] = []
        self._embeddings: list[Float32Array] = []
        self._since = time.monotonic()
