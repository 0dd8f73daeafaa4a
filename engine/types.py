"""Axis letters, aliases and small value types shared by all engine packages.

Axis letters in docstrings: B batch, N patches, n regions of a tile, E embedding width, C channels, H rows, W columns,
h and w rows and columns of the patch grid, T tiles of a raster.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class TextEnum(str, Enum):
    """Names of choices that are text, print as it and compare equal to it: enum.StrEnum, which Python 3.10 has not."""

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Tile:
    """A square (or, on a raster smaller than a tile, rectangular) window, in full-resolution pixels.

    ``x`` and ``y`` are the column and row offsets of the upper left corner; ``row`` and ``col`` number the tile in its
    grid, from 0.
    """

    row: int
    col: int
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Progress:
    """One progress message: ``done`` of ``total`` units of the named stage (``total`` 0: unknown)."""

    stage: str
    done: int
    total: int
    detail: str = ""


class ProgressSink(Protocol):
    """Receives progress; may raise :class:`engine.errors.Cancelled` to stop the work."""

    def __call__(self, progress: Progress, /) -> None: ...


CancelCheck = Callable[[], bool]
Json = dict[str, Any]


def no_progress(progress: Progress, /) -> None:
    """The default sink: drops the message."""
