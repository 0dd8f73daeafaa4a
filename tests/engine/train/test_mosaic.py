"""Canvases of four images, and whose each token is."""

from __future__ import annotations

import pytest
import torch

from engine.train.packaged.mosaic import mosaics


@pytest.mark.parametrize("seed", range(5))
def test_each_token_of_a_canvas_shows_the_image_that_it_is_said_to_show(seed: int) -> None:
    images = torch.arange(10.0).view(10, 1, 1, 1).expand(10, 3, 64, 64)
    canvas, owners = mosaics(images, 192, 32, torch.Generator().manual_seed(seed))
    assert canvas.shape == (2, 3, 192, 192)
    assert owners.shape == (2, 6, 6)
    shown = canvas.reshape(2, 3, 6, 32, 6, 32).permute(0, 2, 4, 1, 3, 5).flatten(3)
    torch.testing.assert_close(shown, owners[..., None].float().expand_as(shown))
    assert all(len(canvas_owners.unique()) == 4 for canvas_owners in owners)
    assert len(owners.unique()) == 8


def test_parts_are_at_least_a_third_of_the_canvas_wide() -> None:
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 32, 32)
    for seed in range(20):
        _, owners = mosaics(images, 192, 32, torch.Generator().manual_seed(seed))
        counts = torch.bincount(owners.flatten())
        assert int(counts.min()) >= 4  # of 36 tokens
