"""Square tiles over a raster, computed when asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from engine.errors import UsageError
from engine.types import TextEnum, Tile

if TYPE_CHECKING:
    from engine.raster.source import RasterSource

MAX_OVERLAP = 0.9
AUTO = "auto"
AUTO_PIXELS = 224
AUTO_FINEST_M = 0.3
"""Models learned from images of about 0.3 to 3 m a pixel: where pixels are finer, a tile of so many of them would show
less ground than any of those images, a roof instead of a neighbourhood."""
_TILE_SIZE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(px|m)?\s*", re.IGNORECASE)


class TileUnit(TextEnum):
    """What the side of a tile is measured in."""

    PIXEL = "px"
    METRE = "m"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class TileSize:
    """The side of a tile, in pixels or in true ground metres at the raster's centre.

    With :attr:`TileUnit.AUTO` it is ``value`` pixels, and where these are finer than 0.3 m as many as show the ground
    that ``value`` pixels of 0.3 m show.
    """

    value: float
    unit: TileUnit

    def __str__(self) -> str:
        if self.unit is TileUnit.AUTO:
            return AUTO
        return f"{self.value:g}{self.unit.value}"


def parse_tile_size(text: str) -> TileSize:
    """``"auto"``, ``"224px"``, ``"100m"`` or ``"224"`` (pixels).

    Raises:
        UsageError: for anything else, a side of zero, or a fraction of a pixel.
    """
    if text.strip().lower() == AUTO:
        return TileSize(float(AUTO_PIXELS), TileUnit.AUTO)
    match = _TILE_SIZE.fullmatch(text)
    value = float(match[1]) if match else 0.0
    unit = TileUnit((match[2] or "px").lower()) if match else TileUnit.PIXEL
    if value <= 0 or not math.isfinite(value) or (unit is TileUnit.PIXEL and not value.is_integer()):
        raise UsageError(
            f"Tile size {text!r} is not understood.",
            "Give whole pixels such as 224px, ground metres such as 100m, or auto.",
            tile=text,
        )
    return TileSize(value, unit)


@dataclass(frozen=True)
class Grid:
    """Tiles of ``side`` pixels over ``width`` × ``height`` pixels, row by row.

    Neighbours share at least the fraction ``overlap`` of their side. The last column and row are shifted inwards, so
    that every pixel is covered, no tile hangs over the edge and none occurs twice. A raster smaller than a tile is
    covered once in that direction, by tiles cut to it. Tiles are made when asked for: a grid costs no memory.

    Raises:
        UsageError: overlap outside [0, 0.9], or an empty side or raster.
    """

    width: int
    height: int
    side: int
    overlap: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.overlap <= MAX_OVERLAP:
            raise UsageError(
                f"Overlap {self.overlap:g} is out of range.",
                f"Give a fraction of the tile's side between 0 and {MAX_OVERLAP:g}.",
                overlap=self.overlap,
            )
        if min(self.width, self.height, self.side) < 1:
            raise UsageError(
                f"Tiles of {self.side} px do not fit a raster of {self.width} × {self.height} px.",
                "Raster and tile need at least one pixel.",
                side=self.side,
            )

    @cached_property
    def stride(self) -> int:
        """Pixels from one tile to the next, except before the last."""
        # The tiny addend keeps 10 * (1 - 0.9) from falling to 0.
        return max(1, math.floor(self.side * (1.0 - self.overlap) + 1e-9))

    @cached_property
    def n_cols(self) -> int:
        return self._count(self.width)

    @cached_property
    def n_rows(self) -> int:
        return self._count(self.height)

    def __len__(self) -> int:
        return self.n_rows * self.n_cols

    def __getitem__(self, index: int) -> Tile:
        if not -len(self) <= index < len(self):
            raise IndexError(f"tile {index} of a grid of {len(self)}")
        row, col = divmod(index % len(self), self.n_cols)
        return self.tile(row, col)

    def __iter__(self) -> Iterator[Tile]:
        return (self.tile(row, col) for row in range(self.n_rows) for col in range(self.n_cols))

    def tile(self, row: int, col: int) -> Tile:
        """The tile in ``row`` and ``col``, both from 0."""
        x, width = self._span(col, self.width)
        y, height = self._span(row, self.height)
        return Tile(row=row, col=col, x=x, y=y, width=width, height=height)

    def _count(self, length: int) -> int:
        return 1 + max(0, -(-(length - self.side) // self.stride))

    def _span(self, index: int, length: int) -> tuple[int, int]:
        return max(0, min(index * self.stride, length - self.side)), min(self.side, length)


def make_grid(source: RasterSource, tile_size: TileSize, overlap: float) -> Grid:
    """The grid of a raster. Metres become pixels with the true size of a pixel at the raster's centre.

    Raises:
        UsageError: metres on a raster whose pixel size is unknown, a tile below one pixel, overlap outside [0, 0.9].
    """
    return Grid(source.width, source.height, _side_in_pixels(source, tile_size), overlap)


def _side_in_pixels(source: RasterSource, tile_size: TileSize) -> int:
    if tile_size.unit is TileUnit.PIXEL:
        return int(tile_size.value)
    if tile_size.unit is TileUnit.AUTO:
        finer = AUTO_FINEST_M / (source.pixel_size_m or AUTO_FINEST_M)
        return round(tile_size.value * max(1.0, finer))
    if source.pixel_size_m is None:
        raise UsageError(
            f"{source.path} has no coordinate reference system, so tiles of {tile_size} cannot be measured on it.",
            "Give the tile size in pixels, such as 224px, or assign a coordinate reference system to the raster.",
            path=source.path,
            tile=str(tile_size),
        )
    side = round(tile_size.value / source.pixel_size_m)
    if side < 1:
        raise UsageError(
            f"Tiles of {tile_size} are smaller than a pixel of {source.path} ({source.pixel_size_m:.4g} m).",
            "Choose larger tiles.",
            path=source.path,
            tile=str(tile_size),
        )
    return side
