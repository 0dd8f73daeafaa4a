"""The contract that every segmenter fulfils (docs/architecture.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.types import BoolArray, UInt8Array


@dataclass(frozen=True, slots=True)
class Segment:
    """One keyword outlined on one tile: ``mask`` bool ``(H, W)`` in tile pixels, ``score`` in [0, 1]."""

    keyword: str
    mask: BoolArray
    score: float


class Segmenter(Protocol):
    """Outlines keywords on tiles.

    ``identity`` names method and settings: part of the key under which regions are cached.
    """

    identity: str

    def segment(self, tiles: Sequence[UInt8Array], keywords: Sequence[Sequence[str]]) -> list[list[Segment]]:
        """uint8 RGB tiles ``(H, W, 3)`` and one list of keywords a tile to one list of segments a tile.

        A keyword that is not found has no segment. Keywords keep the wording that was asked for.
        """
        ...
