"""Raw samples with their validity: the reading that both the stretch and the tiles are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio import DatasetReader
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from engine.raster.gdal import read_error
from engine.types import BoolArray


@dataclass(frozen=True, slots=True)
class Samples:
    """Band values ``(k, H, W)`` in the raster's type (complex values as magnitudes) and their validity, same shape."""

    values: npt.NDArray[Any]
    valid: BoolArray


def are_integers(dataset: DatasetReader, indexes: tuple[int, ...]) -> bool:
    """Whether the bands hold integers, so that no value is NaN or infinite."""
    names = (dataset.dtypes[index - 1] for index in indexes)
    return all(name != "complex_int16" and np.issubdtype(np.dtype(name), np.integer) for name in names)


def are_masked(dataset: DatasetReader, indexes: tuple[int, ...]) -> bool:
    """Whether any of the bands has nodata, alpha or a mask."""
    return bool(_masked(dataset, indexes))


def read_samples(dataset: DatasetReader, indexes: tuple[int, ...], window: Window, height: int, width: int) -> Samples:
    """Every n-th sample of a window (nearest neighbour, from overviews where there are any), ``height`` × ``width``.

    Invalid are: nodata, transparent (alpha 0), masked, NaN and infinite samples.

    Raises:
        RasterError: the file is damaged there.
    """
    values = read_values(dataset, indexes, window, height, width, Resampling.nearest)
    valid = read_validity(dataset, indexes, window, height, width)
    if np.issubdtype(values.dtype, np.floating):
        valid &= np.isfinite(values)
    return Samples(values, valid)


def read_validity(
    dataset: DatasetReader, indexes: tuple[int, ...], window: Window, height: int, width: int
) -> BoolArray:
    """What nodata, alpha and masks say of every n-th sample of a window, ``(k, height, width)``.

    Raises:
        RasterError: the file is damaged there.
    """
    valid = np.ones((len(indexes), height, width), dtype=np.bool_)
    masked = _masked(dataset, indexes)
    if masked:
        # One mask serves all bands of a dataset with alpha or a mask file; nodata is told band by band.
        flags = dataset.mask_flag_enums
        shared = all(MaskFlags.per_dataset in flags[indexes[n] - 1] for n in masked)
        wanted = masked[:1] if shared else masked
        valid[masked] = _read_masks(dataset, [indexes[n] for n in wanted], window, height, width) > 0
    return valid


def read_values(
    dataset: DatasetReader, indexes: tuple[int, ...], window: Window, height: int, width: int, resampling: Resampling
) -> npt.NDArray[Any]:
    """Values ``(k, height, width)`` of a window, resampled by GDAL.

    Raises:
        RasterError: the file is damaged there.
    """
    try:
        values: npt.NDArray[Any] = dataset.read(
            list(indexes), window=window, out_shape=(len(indexes), height, width), resampling=resampling
        )
    except (RasterioError, OSError) as error:
        raise _window_error(dataset, window, error) from error
    return np.abs(values) if np.iscomplexobj(values) else values


def _read_masks(
    dataset: DatasetReader, indexes: list[int], window: Window, height: int, width: int
) -> npt.NDArray[Any]:
    try:
        masks: npt.NDArray[Any] = dataset.read_masks(
            indexes, window=window, out_shape=(len(indexes), height, width), resampling=Resampling.nearest
        )
    except (RasterioError, OSError) as error:
        raise _window_error(dataset, window, error) from error
    return masks


def _window_error(dataset: DatasetReader, window: Window, error: Exception) -> Exception:
    return read_error(dataset.name, error, column=int(window.col_off), row=int(window.row_off))


def _masked(dataset: DatasetReader, indexes: tuple[int, ...]) -> list[int]:
    """Places in ``indexes`` of the bands that have a mask."""
    flags = dataset.mask_flag_enums
    return [n for n, index in enumerate(indexes) if MaskFlags.all_valid not in flags[index - 1]]
