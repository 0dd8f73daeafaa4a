"""The one place where datasets are opened: bounded cache, no stray warnings, errors with a remedy."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path

import rasterio
from rasterio import DatasetReader
from rasterio.env import set_gdal_config
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from engine.errors import RasterError

CACHE_BYTES = 128 * 2**20
"""Upper bound of GDAL's block cache; GDAL's own default is 5 % of the machine's memory."""

_warnings_lock = threading.Lock()


def is_uri(path: str | Path) -> bool:
    """Whether ``path`` is a GDAL connection string (URL, ``/vsi…``, ``NETCDF:…``, inline VRT) and not a plain file."""
    text = str(path)
    if text.startswith(("/vsi", "<")) or "://" in text:
        return True
    head, colon, _ = text.partition(":")
    # One letter before the colon is a Windows drive; a file may have a colon in its name.
    return bool(colon) and len(head) > 1 and head.isidentifier() and not Path(text).exists()


def canonical_path(path: str | Path) -> str:
    """The absolute path of a file (``~`` expanded), or the URI as it is."""
    if is_uri(path):
        return str(path)
    return str(Path(path).expanduser().resolve())


def open_dataset(path: str | Path) -> DatasetReader:
    """Open a raster for reading.

    A dataset must be used by one thread at a time.

    Raises:
        RasterError: the file is missing, is no raster, or has no bands of its own.
    """
    name = canonical_path(path)
    if not is_uri(name):
        _require_file(Path(name))
    if "GDAL_CACHEMAX" not in os.environ:
        # rasterio hands the number to GDAL in bytes, unlike GDAL's own option, which is in megabytes.
        set_gdal_config("GDAL_CACHEMAX", CACHE_BYTES)
    try:
        # catch_warnings swaps a global list, hence the lock.
        with _warnings_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset: DatasetReader = rasterio.open(name)
    except (RasterioError, OSError, ValueError) as error:
        raise RasterError(
            f"{name} cannot be read as a raster: {_first_line(error)}.",
            "Check that the file is complete and in a format that GDAL knows (GeoTIFF, COG, JPEG 2000, VRT …).",
            path=name,
        ) from error
    if dataset.count == 0:
        parts = list(dataset.subdatasets)
        dataset.close()
        remedy = f"Name one of its subdatasets instead: {', '.join(parts[:5])}." if parts else "Choose another file."
        raise RasterError(f"{name} has no raster bands.", remedy, path=name, subdatasets=parts)
    return dataset


def read_error(path: str, error: Exception, **where: int) -> RasterError:
    """The error for pixels that cannot be decoded."""
    window = ", ".join(f"{key} {value}" for key, value in where.items())
    return RasterError(
        f"{path} cannot be read at {window}: {_first_line(error)}.",
        "The file seems damaged or incomplete; copy or download it again.",
        path=path,
        **where,
    )


def _require_file(path: Path) -> None:
    if not path.exists():
        raise RasterError(f"{path} does not exist.", "Check the path and its spelling.", path=str(path))
    if path.is_file() and not os.access(path, os.R_OK):
        raise RasterError(f"{path} may not be read by this user.", "Change the file's permissions.", path=str(path))


def _first_line(error: Exception) -> str:
    # rasterio chains GDAL's own message, which says more than "Read failed".
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    return str(cause).strip().partition("\n")[0].rstrip(".") or type(cause).__name__
