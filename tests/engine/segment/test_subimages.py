"""Subimages: black outside the mask, untouched within."""

from __future__ import annotations

import numpy as np
import pytest

from engine.segment.contract import Segment
from engine.segment.subimages import cut_subimages, subimages

TILE = np.random.default_rng(0).integers(1, 256, (6, 9, 3), dtype=np.uint8)
LEFT = np.zeros((6, 9), np.bool_)
LEFT[:, :4] = True


def test_only_what_the_mask_covers_is_left() -> None:
    found = subimages(TILE, [LEFT, ~LEFT])
    assert found.shape == (2, 6, 9, 3)
    assert found.dtype == np.uint8
    assert np.array_equal(found[0, :, :4], TILE[:, :4])
    assert not found[0, :, 4:].any()
    assert np.array_equal(found.sum(0, dtype=np.uint8), TILE)


def test_no_masks_give_no_subimages() -> None:
    assert subimages(TILE, []).shape == (0, 6, 9, 3)
    assert cut_subimages(TILE, [], 32).shape[0] == 0


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(9, 6\) does not fit a tile of \(6, 9\)"):
        subimages(TILE, [LEFT.T])


def test_subimages_of_segments_have_the_side_asked_for() -> None:
    tile = np.full((64, 64, 3), 200, np.uint8)
    mask = np.zeros((64, 64), np.bool_)
    mask[:32] = True
    [small] = cut_subimages(tile, [Segment("roof", mask, 0.5)], 16)
    assert small.shape == (16, 16, 3)
    assert (small[:7] == 200).all()
    assert not small[9:].any()
    [same] = cut_subimages(tile, [Segment("roof", mask, 0.5)], 64)
    assert np.array_equal(same, subimages(tile, [mask])[0])
