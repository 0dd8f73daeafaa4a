"""Dense features: shifted views interleave to the grid that a finer model would give."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.segment.alignment import patch_offset
from engine.segment.dense import dense_features
from tests.engine.segment.conftest import PALETTE, TintModel


def stripe(left: int, right: int) -> np.ndarray:
    """A green tile with a red vertical stripe."""
    tile = np.empty((112, 112, 3), np.uint8)
    tile[:] = PALETTE["green"]
    tile[:, left:right] = PALETTE["red"]
    return tile


def test_one_view_is_the_model_itself(model: TintModel) -> None:
    tiles = np.random.default_rng(1).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    torch.testing.assert_close(dense_features(model, tiles, 1), model.encode_patches(model.preprocess(tiles)))


@pytest.mark.parametrize("shifts", [2, 4])
def test_cells_are_centred_where_the_grid_says(model: TintModel, shifts: int) -> None:
    features = dense_features(model, stripe(48, 64)[None], shifts)  # exactly cell 3 of 7
    red = features[0, :, :, 1]
    assert features.shape == (1, 7 * shifts, 7 * shifts, 8)
    centre = (red.sum(0) * (torch.arange(7 * shifts) + 0.5)).sum() / red.sum() * 16 / shifts
    assert float(centre) == pytest.approx(56.0, abs=0.5)


@pytest.mark.parametrize("offset", [-0.5, 0.25, 0.5])
def test_a_displaced_receptive_field_is_measured_and_put_right(offset: float) -> None:
    model = TintModel(offset)
    found = patch_offset(model)
    assert found == pytest.approx((offset, offset), abs=0.15)
    straight = dense_features(TintModel(), stripe(40, 72)[None], 2)
    corrected = dense_features(model, stripe(40, 72)[None], 2, (offset, offset))
    inner = slice(4, 10)
    torch.testing.assert_close(corrected[:, inner, inner], straight[:, inner, inner])


def test_a_model_without_displacement_is_left_alone() -> None:
    assert patch_offset(TintModel()) == pytest.approx((0.0, 0.0), abs=0.1)


def test_the_batch_size_changes_nothing(model: TintModel) -> None:
    tiles = np.stack([stripe(10, 30), stripe(50, 90)])
    whole = dense_features(model, tiles, 3, views_per_batch=64)
    torch.testing.assert_close(dense_features(model, tiles, 3, views_per_batch=1), whole)


def test_no_shift_at_all_is_refused(model: TintModel) -> None:
    with pytest.raises(ValueError, match="shifts is 0"):
        dense_features(model, stripe(0, 1)[None], 0)
