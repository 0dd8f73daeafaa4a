"""From band values to 0 … 255: percentiles, taken once a raster."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio import DatasetReader
from rasterio.windows import Window

from engine.errors import UsageError
from engine.raster.bands import choose_bands
from engine.raster.samples import read_samples
from engine.raster.source import RasterSource
from engine.types import Float32Array, Json

_SAMPLE_SIDE = 1024  # samples along the raster's longer side: a million of them settle a percentile
_MAX_PIXELS = 4096**2  # decoded at most where there are no overviews
_LATTICE, _PATCH = 8, 128  # else: 8 × 8 patches, spread evenly


@dataclass(frozen=True, slots=True)
class Stretch:
    """Values that become 0 and 255, for red, green and blue; in between linear, outside clipped."""

    lo: tuple[float, float, float]
    hi: tuple[float, float, float]

    @classmethod
    def identity(cls) -> Stretch:
        """Leaves 8-bit values as they are."""
        return cls((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))

    @property
    def is_identity(self) -> bool:
        return self == Stretch.identity()

    def apply(self, values: npt.NDArray[Any], channel: int) -> Float32Array:
        """Values of one channel, any shape, to float32 in [0, 255]; NaN becomes 0."""
        lo, hi = self.lo[channel], self.hi[channel]
        # Subtracted in float64: the range may be narrow and far from zero.
        scaled = (values.astype(np.float64) - lo) * (255.0 / (hi - lo))
        return np.nan_to_num(np.clip(scaled, 0.0, 255.0), copy=False).astype(np.float32)

    def to_json(self) -> Json:
        """JSON-ready fields; :meth:`from_json` reads them back, exactly."""
        return {"lo": list(self.lo), "hi": list(self.hi)}

    @classmethod
    def from_json(cls, fields: Json) -> Stretch:
        lo, hi = ((float(r), float(g), float(b)) for r, g, b in (fields["lo"], fields["hi"]))
        return cls(lo, hi)


def compute_stretch(
    source: RasterSource, bands: tuple[int, ...] | None = None, low: float = 2.0, high: float = 98.0
) -> Stretch:
    """The stretch between two percentiles of the valid values of each shown band.

    8-bit colour (three different 8-bit bands, or a palette) is shown as it is. Samples come from the overviews; a large
    raster without any is sampled in evenly spread patches, so that the cost does not grow with the raster. Nodata,
    transparent, masked, NaN and infinite samples do not count. A band whose percentiles coincide is stretched from its
    least to its greatest value, and a constant band becomes middle grey.

    Args:
        bands: one or three band numbers; None: chosen as in :func:`engine.raster.bands.choose_bands`.
        low, high: percentiles, 0 ≤ low < high ≤ 100.

    Raises:
        BandError: a band that the raster has not.
        RasterError: the file is damaged.
    """
    dataset = source.dataset
    choice = choose_bands(dataset, bands)
    eight_bit = all(dataset.dtypes[index - 1] == "uint8" for index in choice.indexes)
    if choice.palette or (eight_bit and len(set(choice.indexes)) == 3):
        return Stretch.identity()
    distinct = choice.distinct
    samples = [read_samples(dataset, distinct, *place) for place in _places(dataset)]
    limits = []
    for n in range(len(distinct)):
        limits.append(_limits(np.concatenate([part.values[n][part.valid[n]] for part in samples]), low, high))
    red, green, blue = limits * (3 // len(limits))
    return Stretch((red[0], green[0], blue[0]), (red[1], green[1], blue[1]))


def given_stretch(
    source: RasterSource, bands: tuple[int, ...] | None, limits: Sequence[tuple[float, float]]
) -> Stretch:
    """The stretch between given values, such as those with which a raster is displayed.

    Args:
        limits: (lo, hi), lo < hi: one pair for all shown bands, or one for each of red, green and blue.

    Raises:
        UsageError: two pairs or more than three, lo not below hi, several pairs for one band, or a raster that takes
            its colours from a palette.
        BandError: a band that the raster has not.
    """
    check_limits(limits)
    choice = choose_bands(source.dataset, bands)
    shown = ";".join(f"{lo:g},{hi:g}" for lo, hi in limits)
    if choice.palette:
        raise UsageError(
            f"{source.path} takes its colours from a palette, so they cannot be stretched to {shown}.",
            "Leave out the stretch for it.",
            path=source.path,
            stretch=[list(pair) for pair in limits],
        )
    if len(set(limits)) > len(choice.distinct):
        raise UsageError(
            f"{len(limits)} different stretches ({shown}) are given for one band of {source.path}.",
            "Give one pair, or three bands.",
            path=source.path,
            stretch=[list(pair) for pair in limits],
        )
    red, green, blue = [*limits] * (3 // len(limits))
    return Stretch((red[0], green[0], blue[0]), (red[1], green[1], blue[1]))


def check_limits(limits: Sequence[tuple[float, float]]) -> None:
    """What can be said of a given stretch without a raster.

    Raises:
        UsageError: two pairs or more than three, or lo not below hi.
    """
    if len(limits) not in (1, 3) or not all(-math.inf < lo < hi < math.inf for lo, hi in limits):
        raise UsageError(
            f"Stretch {[list(pair) for pair in limits]} cannot be used.",
            "Give the values that become black and white, the lesser first: one pair, or one for each of three bands.",
            stretch=[list(pair) for pair in limits],
        )


def _places(dataset: DatasetReader) -> Iterator[tuple[Window, int, int]]:
    """Windows to sample with the rows and columns to read of each."""
    width, height = dataset.width, dataset.height
    reduction = max(dataset.overviews(1), default=1)
    if width * height <= _MAX_PIXELS * reduction**2:
        step = max(1.0, max(width, height) / _SAMPLE_SIDE)
        yield Window(0, 0, width, height), max(1, round(height / step)), max(1, round(width / step))
        return
    patch_w, patch_h = min(_PATCH, width), min(_PATCH, height)
    for y in np.linspace(0, height - patch_h, _LATTICE).astype(int):
        for x in np.linspace(0, width - patch_w, _LATTICE).astype(int):
            yield Window(int(x), int(y), patch_w, patch_h), patch_h, patch_w


def _limits(values: npt.NDArray[Any], low: float, high: float) -> tuple[float, float]:
    if values.size == 0:
        return 0.0, 1.0
    values = values.astype(np.float64)
    lo, hi = (float(limit) for limit in np.percentile(values, (low, high)))
    if hi <= lo:
        lo, hi = float(values.min()), float(values.max())
    if hi <= lo:
        margin = max(0.5, abs(lo) * 1e-6)
        lo, hi = lo - margin, hi + margin
    return lo, hi
