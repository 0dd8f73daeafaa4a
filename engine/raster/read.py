"""Tiles as the model sees them: decimated on read, 8 bit, red green blue."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio import DatasetReader
from rasterio.enums import Resampling
from rasterio.windows import Window

from engine.errors import Cancelled
from engine.raster.bands import choose_bands
from engine.raster.gdal import open_dataset
from engine.raster.resample import resize_masked
from engine.raster.samples import are_integers, are_masked, read_samples, read_validity, read_values
from engine.raster.source import RasterSource
from engine.raster.stretch import Stretch, compute_stretch
from engine.types import BoolArray, CancelCheck, Float32Array, Tile, UInt8Array

_OVERSAMPLING = 4  # samples an output pixel and axis where holes or palettes forbid GDAL's own averaging
_POLL_SECONDS = 0.1

Batch = tuple[list[Tile], UInt8Array, Float32Array]


@dataclass(frozen=True, slots=True)
class TileImage:
    """``rgb`` uint8 ``(H, W, 3)``, black where there is no data; ``valid_fraction``: the share of pixels with data."""

    rgb: UInt8Array
    valid_fraction: float


def content_size(tile: Tile, out_size: int) -> tuple[int, int]:
    """Rows and columns that a tile fills of its ``(out_size, out_size)`` image.

    A square tile fills it. A tile cut by a small raster keeps its aspect: its longer side fills the image, from the
    upper left corner, and the rest is black. So image pixel (column, row) lies at
    ``tile.x + column * max(tile.width, tile.height) / out_size``, and likewise in y, for every tile.
    """
    longer = max(tile.width, tile.height)
    return max(1, round(out_size * tile.height / longer)), max(1, round(out_size * tile.width / longer))


class TileReader:
    """Reads windows of one raster as 8-bit RGB.

    May be used from any number of threads: each has a dataset handle of its own, which ends with the thread or at
    :meth:`close`, whichever comes first.

    Args:
        source_path: file or URI.
        bands: one or three band numbers from 1, None: by colour interpretation.
        stretch: None: computed (:func:`engine.raster.stretch.compute_stretch`).
        out_size: side of the images in pixels.
        min_valid: share of pixels with data below which :func:`iter_tiles` leaves a tile out.

    Raises:
        RasterError: the raster cannot be opened.
        BandError: a band that the raster has not.
    """

    def __init__(
        self,
        source_path: str | Path,
        bands: tuple[int, ...] | None,
        stretch: Stretch | None,
        out_size: int,
        min_valid: float = 0.5,
    ) -> None:
        with RasterSource.open(source_path) as source:
            dataset = source.dataset
            self.path = source.path
            self.width, self.height = source.width, source.height
            self.choice = choose_bands(dataset, bands)
            self.stretch = compute_stretch(source, bands) if stretch is None else stretch
            self._palette = _palette(dataset, self.choice.indexes[0]) if self.choice.palette else None
            self._averages = self._palette is None and are_integers(dataset, self.choice.distinct)
            self._masked = are_masked(dataset, self.choice.distinct)
        self.out_size = out_size
        self.min_valid = min_valid
        self._local = threading.local()
        self._handles: weakref.WeakSet[DatasetReader] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False

    def read(self, tile: Tile) -> TileImage:
        """The tile as ``(out_size, out_size, 3)``, placed as in :func:`content_size`.

        The valid fraction is that of the tile's own pixels; what pads a cut tile to a square does not count.

        Raises:
            RasterError: the file is damaged there.
        """
        rows, cols = content_size(tile, self.out_size)
        image = self.read_window(tile.x, tile.y, tile.width, tile.height, rows, cols)
        if rows == cols:
            return image
        padded = np.zeros((self.out_size, self.out_size, 3), dtype=np.uint8)
        padded[:rows, :cols] = image.rgb
        return TileImage(padded, image.valid_fraction)

    def read_window(self, x: int, y: int, w: int, h: int, out_h: int, out_w: int) -> TileImage:
        """The window of ``w`` × ``h`` full-resolution pixels at column ``x``, row ``y`` as ``(out_h, out_w, 3)``.

        Raises:
            RasterError: the file is damaged there.
            ValueError: the window is empty or leaves the raster.
        """
        if min(x, y) < 0 or min(w, h, out_h, out_w) < 1 or x + w > self.width or y + h > self.height:
            raise ValueError(f"window {(x, y, w, h)} → {(out_w, out_h)} of a raster of {self.width} × {self.height}")
        window = Window(x, y, w, h)
        dataset = self._dataset()
        rows, cols = min(h, _OVERSAMPLING * out_h), min(w, _OVERSAMPLING * out_w)
        if self._averages and self._is_whole(dataset, window, rows, cols):
            return TileImage(self._read_plain(dataset, window, out_h, out_w), 1.0)
        channels, valid = self._read_channels(dataset, window, rows, cols)
        resized, cover = resize_masked(channels, valid, out_h, out_w)
        return TileImage(_to_rgb(resized), float(cover.mean()))

    def close(self) -> None:
        """Close all handles. No thread may be reading."""
        with self._lock:
            self._closed = True
            for handle in list(self._handles):
                handle.close()

    def __enter__(self) -> TileReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _dataset(self) -> DatasetReader:
        # One handle a thread and not a pool of them: GDAL shares a VRT's sources among handles opened by one thread,
        # so a handle must stay with the thread that opened it.
        if self._closed:
            raise ValueError(f"reader of {self.path} is closed")
        handle: DatasetReader | None = getattr(self._local, "handle", None)
        if handle is None:
            handle = self._local.handle = open_dataset(self.path)
            with self._lock:
                self._handles.add(handle)
        return handle

    def _read_plain(self, dataset: DatasetReader, window: Window, out_h: int, out_w: int) -> UInt8Array:
        """Whole windows of integers: GDAL resamples. Returns uint8 (out_h, out_w, 3)."""
        shrinks = window.width >= out_w and window.height >= out_h
        resampling = Resampling.average if shrinks else Resampling.bilinear
        values = read_values(dataset, self.choice.distinct, window, out_h, out_w, resampling)
        if self.stretch.is_identity and values.dtype == np.uint8:
            rgb = np.moveaxis(values, 0, -1)  # (out_h, out_w, 1 or 3)
            return np.ascontiguousarray(np.broadcast_to(rgb, (out_h, out_w, 3)))
        return _to_rgb(self._stretched(values))

    def _is_whole(self, dataset: DatasetReader, window: Window, rows: int, cols: int) -> bool:
        """Whether no pixel of the window lacks data, as in most tiles of a masked raster."""
        return not self._masked or bool(read_validity(dataset, self.choice.distinct, window, rows, cols).all())

    def _read_channels(
        self, dataset: DatasetReader, window: Window, rows: int, cols: int
    ) -> tuple[Float32Array, BoolArray]:
        """Channels float32 (1 or 3, rows, cols) in [0, 255] and validity (rows, cols).

        A pixel is valid where any of its bands is: white in one band of an 8-bit image with nodata 255 is no hole.
        """
        samples = read_samples(dataset, self.choice.distinct, window, rows, cols)
        valid = np.logical_or.reduce(samples.valid, axis=0)
        if self._palette is None:
            return self._stretched(samples.values), valid
        # (H, W, 4); an index beyond the table is clipped to its last entry
        rgba = np.take(self._palette, samples.values[0], axis=0, mode="clip")
        return np.moveaxis(rgba[..., :3], -1, 0).astype(np.float32), valid & (rgba[..., 3] > 0)

    def _stretched(self, values: npt.NDArray[Any]) -> Float32Array:
        return np.stack([self.stretch.apply(plane, channel) for channel, plane in enumerate(values)])


def iter_tiles(
    reader: TileReader,
    tiles: Iterable[Tile],
    batch_size: int,
    prefetch: int = 2,
    workers: int = 1,
    cancel: CancelCheck | None = None,
) -> Iterator[Batch]:
    """Batches of tiles in their order, read ahead by threads while the caller works on the last one.

    Tiles with less than ``reader.min_valid`` valid pixels are left out; the others fill the batches. At most
    ``prefetch`` batches (at least one) are held beside the one that was given out. The threads have ended when the
    generator is exhausted, closed or has raised.

    Args:
        tiles: taken one by one as reading proceeds.
        workers: reading threads.
        cancel: asked at least every 0.1 s while waiting.

    Yields:
        tiles, images uint8 ``(B, out_size, out_size, 3)``, valid fractions float32 ``(B,)``; 1 ≤ B ≤ ``batch_size``.

    Raises:
        Cancelled: when ``cancel`` says so; tiles not yet given out are dropped.
        RasterError: the file is damaged.
    """
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="tiles")
    try:
        yield from _batches(_read_ahead(pool, reader, tiles, batch_size * max(1, prefetch), cancel), reader, batch_size)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read_ahead(
    pool: ThreadPoolExecutor, reader: TileReader, tiles: Iterable[Tile], ahead: int, cancel: CancelCheck | None
) -> Iterator[tuple[Tile, TileImage]]:
    source = iter(tiles)
    pending = deque((tile, pool.submit(reader.read, tile)) for tile in islice(source, ahead))
    while pending:
        tile, future = pending.popleft()
        image = _wait(future, cancel)
        pending.extend((follower, pool.submit(reader.read, follower)) for follower in islice(source, 1))
        yield tile, image


def _wait(future: Future[TileImage], cancel: CancelCheck | None) -> TileImage:
    while True:
        if cancel is not None and cancel():
            raise Cancelled
        try:
            return future.result(timeout=_POLL_SECONDS)
        except TimeoutError:
            if future.done():
                return future.result()  # finished meanwhile, or itself raised a TimeoutError


def _batches(images: Iterator[tuple[Tile, TileImage]], reader: TileReader, batch_size: int) -> Iterator[Batch]:
    kept = ((tile, image) for tile, image in images if image.valid_fraction >= reader.min_valid)
    while chunk := list(islice(kept, batch_size)):
        yield (
            [tile for tile, _ in chunk],
            np.stack([image.rgb for _, image in chunk]),
            np.array([image.valid_fraction for _, image in chunk], dtype=np.float32),
        )


def _to_rgb(channels: Float32Array) -> UInt8Array:
    """float32 (1 or 3, H, W) in [0, 255] to uint8 (H, W, 3)."""
    rounded = np.rint(np.clip(channels, 0.0, 255.0)).astype(np.uint8)
    _, height, width = rounded.shape
    return np.ascontiguousarray(np.broadcast_to(np.moveaxis(rounded, 0, -1), (height, width, 3)))


def _palette(dataset: DatasetReader, band: int) -> UInt8Array:
    """The colour table, uint8 (entries, 4); entries it does not name are transparent."""
    entries = dataset.colormap(band)
    table = np.zeros((max(entries) + 1, 4), dtype=np.uint8)
    for index, colour in entries.items():
        table[index] = colour
    return table
