"""The rasters of a search: opened, and each with its complete index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.config import IndexOptions
from engine.index.build import RasterIndex, build_index
from engine.index.folder import IndexFolder
from engine.models.contract import RetrievalModel
from engine.raster.gdal import canonical_path
from engine.raster.source import RasterSource
from engine.search.hits import Counts
from engine.types import CancelCheck, ProgressSink, no_progress


@dataclass(frozen=True, slots=True)
class SearchedRaster:
    """An open raster and its index."""

    source: RasterSource
    index: RasterIndex


@contextmanager
def open_sources(paths: Sequence[str | Path]) -> Iterator[list[RasterSource]]:
    """Opens all rasters, one given twice once.

    Raises:
        RasterError: one is missing or is no raster.
    """
    with ExitStack() as stack:
        names = dict.fromkeys(canonical_path(path) for path in paths)
        yield [stack.enter_context(RasterSource.open(name)) for name in names]


def index_rasters(
    sources: Sequence[RasterSource],
    model: RetrievalModel,
    options: IndexOptions,
    folder: IndexFolder,
    progress: ProgressSink = no_progress,
    cancel: CancelCheck | None = None,
    done: Callable[[SearchedRaster], None] | None = None,
) -> list[SearchedRaster]:
    """Completes the index of each; see :func:`engine.index.build.build_index`. ``done`` is told of each at once."""
    rasters = []
    for source in sources:
        raster = SearchedRaster(source, build_index(source, model, options, folder, progress, cancel))
        rasters.append(raster)
        if done is not None:
            done(raster)
    return rasters


def count_tiles(rasters: Sequence[SearchedRaster]) -> Counts:
    """Sums over all rasters."""
    return Counts(
        rasters=len(rasters),
        tiles=sum(len(raster.index.spec.grid) for raster in rasters),
        encoded=sum(raster.index.encoded for raster in rasters),
        reused=sum(raster.index.reused for raster in rasters),
        left_out=sum(raster.index.left_out for raster in rasters),
    )
