"""The rasters of a search: opened, and each with its complete index."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.config import IndexOptions, SearchOptions
from engine.errors import UsageError
from engine.index.build import RasterIndex, build_index
from engine.index.folder import IndexFolder
from engine.models.contract import RetrievalModel
from engine.raster.area import Area
from engine.raster.bands import choose_bands
from engine.raster.gdal import canonical_path
from engine.raster.georeference import parse_crs
from engine.raster.grid import make_grid, parse_tile_size
from engine.raster.source import RasterSource
from engine.raster.stretch import given_stretch
from engine.search.hits import Counts
from engine.search.interruptible import interruptible
from engine.search.places import common_crs
from engine.types import CancelCheck, IntArray, ProgressSink, no_progress


@dataclass(frozen=True, slots=True)
class SearchedRaster:
    """An open raster and its index, which it took ``seconds`` to complete."""

    source: RasterSource
    index: RasterIndex
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Selection:
    """An open raster and the numbers of those of its tiles that are to be searched, ascending; None: all."""

    source: RasterSource
    tiles: IntArray | None


@contextmanager
def open_sources(paths: Sequence[str | Path]) -> Iterator[list[RasterSource]]:
    """Opens all rasters, one given twice once.

    Raises:
        RasterError: one is missing or is no raster.
    """
    with ExitStack() as stack:
        names = dict.fromkeys(canonical_path(path) for path in paths)
        yield [stack.enter_context(RasterSource.open(name)) for name in names]


def select_tiles(sources: Sequence[RasterSource], options: IndexOptions) -> list[Selection]:
    """The rasters that the area meets, each with its tiles that do; without an area all rasters.

    Raises:
        UsageError: an area that is not understood or meets none of the rasters, or a tile size that does not fit.
    """
    if options.area is None:
        return [Selection(source, None) for source in sources]
    area = Area.of(options.area)
    size = parse_tile_size(options.tile)
    grids = [make_grid(source, size, options.overlap) for source in sources]
    selections = [Selection(source, area.tiles(source, grid)) for source, grid in zip(sources, grids, strict=True)]
    met = [selection for selection in selections if selection.tiles is not None and len(selection.tiles)]
    if not met:
        named = sources[0].path + (f" and {len(sources) - 1} more" if len(sources) > 1 else "")
        raise UsageError(
            f"The area lies outside {named}.",
            "Choose an area that meets a raster, and check the area's coordinate reference system.",
            area=options.area.model_dump(),
            rasters=[source.path for source in sources],
        )
    return met


def check_rasters(paths: Sequence[str | Path], options: IndexOptions) -> None:
    """What can be said of an index or a search before a model is loaded: opens every raster, reads no pixel.

    Raises:
        RasterError: one is missing or is no raster.
        BandError: a band that one has not.
        UsageError: a CRS, an area, a tile size or a stretch that is not understood or does not fit.
    """
    parse_tile_size(options.tile)
    with open_sources(paths) as sources:
        selections = select_tiles(sources, options)
        if isinstance(options, SearchOptions):  # an index is made of each raster by itself
            crs = parse_crs(options.crs) if options.crs else None
            common_crs([selection.source for selection in selections], crs)
        for selection in selections:
            choose_bands(selection.source.dataset, options.bands)
            if options.stretch is not None:
                given_stretch(selection.source, options.bands, options.stretch)


def index_rasters(
    sources: Sequence[RasterSource],
    model: RetrievalModel,
    options: IndexOptions,
    folder: IndexFolder,
    progress: ProgressSink = no_progress,
    cancel: CancelCheck | None = None,
    done: Callable[[SearchedRaster], None] | None = None,
) -> list[SearchedRaster]:
    """Completes the index of each that the area meets; see :func:`engine.index.build.build_index`.

    Args:
        done: is told of each at once.

    Raises:
        As :func:`select_tiles` and :func:`engine.index.build.build_index`.
    """
    return index_selected(select_tiles(sources, options), model, options, folder, progress, cancel, done)


def index_selected(
    selections: Sequence[Selection],
    model: RetrievalModel,
    options: IndexOptions,
    folder: IndexFolder,
    progress: ProgressSink = no_progress,
    cancel: CancelCheck | None = None,
    done: Callable[[SearchedRaster], None] | None = None,
) -> list[SearchedRaster]:
    """As :func:`index_rasters`, of rasters whose tiles have been chosen."""
    rasters = []
    for selection in selections:
        start = time.perf_counter()
        with interruptible(cancel):
            index = build_index(selection.source, model, options, folder, progress, cancel, selection.tiles)
        raster = SearchedRaster(selection.source, index, time.perf_counter() - start)
        rasters.append(raster)
        if done is not None:
            done(raster)
    return rasters


def count_tiles(rasters: Sequence[SearchedRaster], fresh: bool = True) -> Counts:
    """Sums over all rasters; not ``fresh``: what was encoded just now was so for an earlier query."""
    encoded = sum(raster.index.encoded for raster in rasters)
    reused = sum(raster.index.reused for raster in rasters)
    return Counts(
        rasters=len(rasters),
        tiles=sum(len(raster.index.tiles) for raster in rasters),
        encoded=encoded if fresh else 0,
        reused=reused if fresh else encoded + reused,
        left_out=sum(raster.index.left_out for raster in rasters),
    )
