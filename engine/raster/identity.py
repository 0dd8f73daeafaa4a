"""What a raster's pixels depend on: the part of an index's key that tells a changed raster from a known one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from rasterio import DatasetReader
from rasterio.enums import ColorInterp

from engine.errors import RasterError
from engine.raster.gdal import canonical_path, open_dataset
from engine.types import Json

# Statistics (QGIS writes them when it opens a raster) and pyramids say nothing new about the pixels. What else an
# .aux.xml may hold (CRS, nodata, colour interpretation, palette) is part of the identity by value.
_DERIVED_SUFFIXES = (".aux.xml", ".ovr")
_MAX_VRT_DEPTH = 16


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file the raster is made of; size and time are None where they cannot be asked for (missing, remote)."""

    path: str
    size: int | None
    mtime_ns: int | None


@dataclass(frozen=True)
class RasterIdentity:
    """Path, files, layout and georeference of a raster. Two readings with equal :attr:`key` see the same pixels.

    A remote raster (URL) is known by its URI, layout and georeference alone: its files have no time to compare.
    """

    path: str
    files: tuple[FileStamp, ...]
    transform: tuple[float, ...]
    crs_wkt: str | None
    width: int
    height: int
    count: int
    dtypes: tuple[str, ...]
    nodata: tuple[str, ...]
    colour: tuple[str, ...]

    @cached_property
    def key(self) -> str:
        """sha256 of the canonical JSON, hexadecimal."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def to_json(self) -> Json:
        """JSON-ready fields."""
        return asdict(self)


def read_identity(
    dataset: DatasetReader, path: str, transform: tuple[float, ...], crs_wkt: str | None
) -> RasterIdentity:
    """The identity of an open dataset that was opened as ``path``."""
    return RasterIdentity(
        path=path,
        files=tuple(_stamp(name) for name in sorted(set(_files(dataset, path)))),
        transform=transform,
        crs_wkt=crs_wkt,
        width=dataset.width,
        height=dataset.height,
        count=dataset.count,
        dtypes=tuple(dataset.dtypes),
        nodata=tuple(repr(value) for value in dataset.nodatavals),
        colour=tuple(_colour(dataset, band) for band in dataset.indexes),
    )


def _colour(dataset: DatasetReader, band: int) -> str:
    interpretation = dataset.colorinterp[band - 1]
    if interpretation is not ColorInterp.palette:
        return str(interpretation.name)
    entries = json.dumps(sorted(dataset.colormap(band).items()))
    return f"palette:{hashlib.sha256(entries.encode()).hexdigest()}"


def _files(dataset: DatasetReader, path: str, depth: int = 0) -> Iterator[str]:
    """Files of a dataset and, for a VRT, of its sources, down to the last."""
    names = [canonical_path(name) for name in dataset.files] or [path]
    for name in names:
        if name.lower().endswith(_DERIVED_SUFFIXES):
            continue
        yield name
        mask = Path(f"{name}.msk")  # GDAL lists the mask of a file it opened itself, not that of a VRT's source
        if mask.exists():
            yield str(mask)
        if name != path and name.lower().endswith(".vrt") and depth < _MAX_VRT_DEPTH:
            yield from _nested_files(name, depth + 1)


def _nested_files(path: str, depth: int) -> Iterator[str]:
    try:
        dataset = open_dataset(path)
    except RasterError:
        return  # its own stamp stands for it; reading will say what is wrong
    with dataset:
        yield from _files(dataset, path, depth)


def _stamp(name: str) -> FileStamp:
    """Size and time of a file, or of the local archive it lies in (``/vsizip//data/a.zip/b.tif``)."""
    path = Path(name)
    for candidate in (path, *path.parents, *_inside_vsi(name)):
        if candidate.is_file():
            status = candidate.stat()
            return FileStamp(name, status.st_size, status.st_mtime_ns)
    return FileStamp(name, None, None)


def _inside_vsi(name: str) -> Iterator[Path]:
    if not name.startswith("/vsi"):
        return
    inner = Path(name.split("/", 2)[2])
    yield from (inner, *inner.parents)
