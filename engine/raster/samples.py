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


def has_masks(dataset: DatasetReader, indexes: tuple[int, ...]) -> bool:
    """Whether any of the bands may have pixels without data: nodata, alpha, a mask, or values that may be NaN."""
    flags = dataset.mask_flag_enums
    return any(
        MaskFlags.all_valid not in flags[index - 1] or not np.issubdtype(_dtype(dataset, index), np.integer)
        for index in indexes
    )


def read_samples(
    dataset: DatasetReader, indexes: tuple[int, ...], window: Window, height: int, width: int
) -> Samples:
    """Every n-th sample of a window (nearest neighbour, from overviews where there are any), ``height`` × ``width``.

    Invalid are: nodata, transparent (alpha 0), masked, NaN and infinite samples.

    Raises:
        RasterError: the file is damaged there.
    """
    values = read_values(dataset, indexes, window, height, width, Resampling.nearest)
    valid = np.ones(values.shape, dtype=np.bool_)
    flags = dataset.mask_flag_enums
    masked = [n for n, index in enumerate(indexes) if MaskFlags.all_valid not in flags[index - 1]]
    if masked:
        # One mask serves all bands of a dataset with alpha or a mask file; nodata is told band by band.
        shared = all(MaskFlags.per_dataset in flags[indexes[n] - 1] for n in masked)
        wanted = masked[:1] if shared else masked
        masks = _read_masks(dataset, [indexes[n] for n in wanted], window, height, width)
        valid[masked] = masks > 0
    if np.issubdtype(values.dtype, np.floating):
        valid &= np.isfinite(values)
    return Samples(values, valid)


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


def _dtype(dataset: DatasetReader, index: int) -> npt.DTypeLike:
    name = dataset.dtypes[index - 1]
    return np.dtype("int32" if name == "complex_int16" else name)
