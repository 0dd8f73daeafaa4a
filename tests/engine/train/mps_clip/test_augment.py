"""Augmentation: what moves the picture moves its masks, and a seed decides all of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.train.mps_clip.config import DataSettings
from engine.train.runs.augment import MOVING, Augmentation, _MaskedRandAugment


def marked(side: int = 96) -> tuple[Tensor, Tensor]:
    """A picture that is white where its one mask is, uint8 ``(3, H, W)`` and bool ``(1, H, W)``."""
    mask = torch.zeros(1, side, side, dtype=torch.bool)
    mask[:, side // 8 : side // 2, side // 4 : side - 8] = True
    return mask.expand(3, -1, -1).byte() * 255, mask


def keep_operations(monkeypatch: pytest.MonkeyPatch, moving: bool) -> None:
    space = {k: v for k, v in _MaskedRandAugment._AUGMENTATION_SPACE.items() if (k in MOVING) == moving}
    assert len(space) == (5 if moving else 9)
    monkeypatch.setattr(_MaskedRandAugment, "_AUGMENTATION_SPACE", space)


def test_masks_follow_crop_flip_and_every_operation_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_operations(monkeypatch, moving=True)
    augmentation = Augmentation(DataSettings(augment_operations=3, augment_magnitude=20), 64)
    image, mask = marked()
    moved = set()
    for seed in range(40):
        torch.manual_seed(seed)
        picture, masks = augmentation(image, mask)
        white = picture[0] > 127
        assert picture.shape == (3, 64, 64) and masks.shape == (1, 64, 64)
        assert int((white ^ masks[0]).sum()) < 0.03 * 64 * 64  # edges: the picture is resampled bicubically
        moved.add(int(masks.sum()))
    assert len(moved) > 30


def test_operations_on_colours_leave_masks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_operations(monkeypatch, moving=False)
    augment = _MaskedRandAugment(2, 7)
    image, mask = marked()
    for seed in range(20):
        torch.manual_seed(seed)
        assert torch.equal(augment.augment(image, mask)[1], mask)


def test_a_seed_decides_everything() -> None:
    image = torch.randint(0, 256, (3, 50, 60), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    masks = torch.rand(2, 50, 60, generator=torch.Generator().manual_seed(1)) < 0.5
    augmentation = Augmentation(DataSettings(), 32)

    def drawn(seed: int) -> tuple[Tensor, Tensor]:
        torch.manual_seed(seed)
        return augmentation(image, masks)

    results = [drawn(seed) for seed in range(8)]
    for seed, (picture, cover) in enumerate(results):
        again = drawn(seed)
        assert torch.equal(again[0], picture) and torch.equal(again[1], cover)
    assert len({tuple(picture.flatten().tolist()) for picture, _ in results}) == 8


def test_pictures_without_masks_pass() -> None:
    torch.manual_seed(0)
    picture, masks = Augmentation(DataSettings(), 24)(marked()[0], torch.zeros(0, 96, 96, dtype=torch.bool))
    assert picture.shape == (3, 24, 24) and picture.dtype == torch.uint8
    assert masks.shape == (0, 24, 24)
