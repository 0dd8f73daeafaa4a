"""What the contract of segmenters promises, as one check."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.segment.contract import Segment
from engine.types import UInt8Array


def check_contract(
    found: Sequence[Sequence[Segment]], tiles: Sequence[UInt8Array], keywords: Sequence[Sequence[str]]
) -> None:
    """One list a tile; masks bool, of the tile's size and not empty; a keyword at most once, in its own wording."""
    assert len(found) == len(tiles)
    for segments, tile, words in zip(found, tiles, keywords, strict=True):
        assert [segment.keyword for segment in segments] == [word for word in words if word in _words(segments)]
        for segment in segments:
            assert segment.mask.dtype == np.bool_
            assert segment.mask.shape == tile.shape[:2]
            assert segment.mask.any()
            assert type(segment.score) is float and 0.0 <= segment.score <= 1.0


def _words(segments: Sequence[Segment]) -> set[str]:
    return {segment.keyword for segment in segments}
