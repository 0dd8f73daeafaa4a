"""Which bands are shown as red, green and blue."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rasterio import DatasetReader
from rasterio.enums import ColorInterp

from engine.errors import BandError

_BANDS = re.compile(r"\s*\d+\s*(,\s*\d+\s*,\s*\d+\s*)?")
_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


@dataclass(frozen=True, slots=True)
class BandChoice:
    """Band numbers, from 1, for red, green and blue; ``palette``: the one band holds indices into a colour table."""

    indexes: tuple[int, int, int]
    palette: bool = False

    @property
    def distinct(self) -> tuple[int, ...]:
        """The bands to read, each once."""
        return self.indexes[:1] if len(set(self.indexes)) == 1 else self.indexes


def parse_bands(text: str) -> tuple[int, ...]:
    """``"4,3,2"`` or ``"1"``: one or three band numbers, from 1.

    Raises:
        BandError: for anything else.
    """
    if not _BANDS.fullmatch(text):
        raise BandError(
            f"Bands {text!r} are not understood.", "Give one or three band numbers, such as 4,3,2.", bands=text
        )
    return tuple(int(part) for part in text.split(","))


def choose_bands(dataset: DatasetReader, bands: tuple[int, ...] | None = None) -> BandChoice:
    """The given bands (one or three), else by colour interpretation.

    Red, green and blue where the raster names them; a palette; else the first three that are not alpha; of one or two,
    the first three times.

    Raises:
        BandError: a band that the raster has not, or not one or three of them.
    """
    if bands is not None:
        return _given(dataset, bands)
    interpretation = dataset.colorinterp
    if all(colour in interpretation for colour in _RGB):
        red, green, blue = (interpretation.index(colour) + 1 for colour in _RGB)
        return BandChoice((red, green, blue))
    data = [index for index in dataset.indexes if interpretation[index - 1] is not ColorInterp.alpha]
    if len(data) >= 3:
        return BandChoice((data[0], data[1], data[2]))
    first = data[0] if data else 1
    return BandChoice((first, first, first), palette=_is_palette(dataset, first))


def _given(dataset: DatasetReader, bands: tuple[int, ...]) -> BandChoice:
    if len(bands) not in (1, 3):
        raise BandError(f"{len(bands)} bands are given.", "Give one or three band numbers.", bands=list(bands))
    for band in bands:
        if not 1 <= band <= dataset.count:
            raise BandError(
                f"{dataset.name} has no band {band}.",
                f"Its bands are 1 to {dataset.count}." if dataset.count > 1 else "Its only band is 1.",
                path=dataset.name,
                band=band,
                count=dataset.count,
            )
    red, green, blue = bands if len(bands) == 3 else bands * 3
    return BandChoice((red, green, blue), palette=red == green == blue and _is_palette(dataset, red))


def _is_palette(dataset: DatasetReader, band: int) -> bool:
    return dataset.colorinterp[band - 1] is ColorInterp.palette
