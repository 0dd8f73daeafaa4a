"""What the contract of segmenters promises, as one check."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pytest

from engine.segment.contract import Segment, Segmenter
from engine.types import UInt8Array

KEYWORDS = [["Tennis Court", "water"], ["red roof", "sand"]]


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


def check_quiet_contract(segmenter: Segmenter, tiles: Sequence[UInt8Array], capfd: pytest.CaptureFixture[str]) -> None:
    """Two tiles with two of :data:`KEYWORDS` each, all found; standard output and warnings' filters are left alone."""
    filters = list(warnings.filters)
    found = segmenter.segment(tiles, KEYWORDS)
    check_contract(found, tiles, KEYWORDS)
    assert [[segment.keyword for segment in segments] for segments in found] == KEYWORDS
    assert capfd.readouterr().out == ""
    assert warnings.filters == filters


def _words(segments: Sequence[Segment]) -> set[str]:
    return {segment.keyword for segment in segments}
