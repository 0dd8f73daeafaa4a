"""Windows are stitched to a grid whose cells are where they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.segment.alignment import patch_offset
from engine.segment.dense import blending_weights, dense_features
from tests.engine.segment.conftest import PALETTE, TintModel


def stripe(left: int, right: int) -> np.ndarray:
    """A green tile with a red vertical stripe."""
    tile = np.empty((112, 112, 3), np.uint8)
    tile[:] = PALETTE["green"]
    tile[:, left:right] = PALETTE["red"]
    return tile


@pytest.mark.parametrize("windows", [2, 5])
def test_cells_are_centred_where_the_grid_says(model: TintModel, windows: int) -> None:
    features = dense_features(model, stripe(40, 64)[None], 2.0, windows)
    red = features[0, :, :, 1]
    assert features.shape == (1, 28, 28, 8)  # 7 patches, twice as fine at zoom 2, twice as many cells
    assert float((red.sum(0) * (torch.arange(28) + 0.5)).sum() / red.sum() * 4) == pytest.approx(52.0, abs=0.5)
    assert torch.allclose(red, red[:1])


def test_a_window_shows_what_the_whole_tile_blurs(model: TintModel) -> None:
    tile = stripe(48, 56)[None]  # half a patch of the whole tile, one of a window
    assert float(dense_features(model, tile, 2.0, 5)[0, :, :, 1].max()) > 0.78
    assert float(model.encode_patches(model.preprocess(tile))[0, :, :, 1].max()) < 0.72


@pytest.mark.parametrize("offset", [-0.5, 0.25, 0.5])
def test_a_displaced_receptive_field_is_measured_and_put_right(offset: float) -> None:
    model = TintModel(offset)
    assert patch_offset(model) == pytest.approx((offset, offset), abs=0.15)
    red = dense_features(model, stripe(40, 72)[None], 2.0, 5, (offset, offset))[0, 10:18, :, 1].sum(0)
    assert float((red * (torch.arange(28) + 0.5)).sum() / red.sum() * 4) == pytest.approx(56.0, abs=1.0)


def test_a_model_without_displacement_is_left_alone() -> None:
    assert patch_offset(TintModel()) == pytest.approx((0.0, 0.0), abs=0.1)


def test_the_batch_size_and_the_neighbours_change_nothing(model: TintModel) -> None:
    tiles = np.stack([stripe(10, 30), stripe(50, 90)])
    whole = dense_features(model, tiles, 2.0, 3)
    torch.testing.assert_close(dense_features(model, tiles, 2.0, 3, windows_per_batch=1), whole)
    torch.testing.assert_close(dense_features(model, tiles[1:], 2.0, 3), whole[1:])


@pytest.mark.parametrize(("zoom", "windows"), [(0.5, 3), (2.0, 1)])
def test_windows_that_do_not_cover_the_tile_are_refused(model: TintModel, zoom: float, windows: int) -> None:
    with pytest.raises(ValueError, match="do not cover"):
        dense_features(model, stripe(0, 1)[None], zoom, windows)


class TestBlendingWeights:
    def test_cells_on_the_centres_of_one_window_take_one_patch_each(self) -> None:
        weights = blending_weights([0.0], 1.0, 4, 0.0, 4)
        assert np.allclose(weights[:, 0], np.eye(4))

    def test_an_offset_takes_from_the_neighbour(self) -> None:
        [first, second] = blending_weights([0.0], 1.0, 2, -0.5, 2)[:, 0]
        assert np.allclose(first, [0.5, 0.5])
        assert np.allclose(second, [0.0, 1.0])  # there is none beyond the last

    def test_a_cell_takes_most_from_the_window_in_whose_middle_it_lies(self) -> None:
        weights = blending_weights([0.0, 0.25, 0.5], 0.5, 3, 0.0, 2)
        assert np.allclose(weights.sum((1, 2)), 1.0)
        assert weights.sum(2)[0].argmax() == 0
        assert weights.sum(2)[1].argmax() == 2
        assert weights[0, 2].sum() == 0
