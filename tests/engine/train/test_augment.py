"""Augmentation moves pixels as the symmetries of the square do, and nothing else when it is switched off."""

from __future__ import annotations

import torch

from engine.train.packaged.augment import augment, cutmix


def test_without_crop_and_jitter_the_result_is_one_of_the_eight_symmetries() -> None:
    image = torch.randint(0, 256, (1, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    turned = [torch.rot90(image, k, (2, 3)) for k in range(4)]
    symmetries = [t.float() for t in turned] + [t.flip(3).float() for t in turned]
    seen = set()
    for seed in range(60):
        out = augment(image, 8, 1.0, 0.0, torch.Generator().manual_seed(seed))
        match = [i for i, s in enumerate(symmetries) if torch.allclose(out, s, atol=1e-2)]
        assert len(match) == 1
        seen.add(match[0])
    assert seen == set(range(8))


def test_without_rotations_left_and_right_alone_are_swapped() -> None:
    image = torch.randint(0, 256, (1, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    ways = [image.float(), image.flip(3).float()]
    seen = set()
    for seed in range(20):
        out = augment(image, 8, 1.0, 0.0, torch.Generator().manual_seed(seed), rotations=False)
        seen |= {i for i, way in enumerate(ways) if torch.allclose(out, way, atol=1e-2)} or {None}
    assert seen == {0, 1}


def test_crops_stay_inside_the_image() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).repeat(64, 1).expand(4, 3, 64, 64)
    out = augment(ramp, 32, 0.5, 0.0, torch.Generator().manual_seed(1))
    assert out.shape == (4, 3, 32, 32)
    spread = out.amax((1, 2, 3)) - out.amin((1, 2, 3))
    assert bool((spread >= 0.5**0.5 * 64 - 3).all())
    assert bool((spread <= 63).all())


def test_jitter_stays_in_the_pixel_range_and_depends_on_the_generator_alone() -> None:
    images = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    first = augment(images, 16, 0.5, 0.5, torch.Generator().manual_seed(7))
    second = augment(images, 16, 0.5, 0.5, torch.Generator().manual_seed(7))
    assert torch.equal(first, second)
    assert first.min() >= 0
    assert first.max() <= 255


def test_cutmix_puts_one_square_of_another_image_into_each_and_tells_the_share() -> None:
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 20, 20)
    shares = []
    for seed in range(40):
        mixed, others, own = cutmix(images, torch.Generator().manual_seed(seed))
        foreign = mixed != images
        expected = (others != torch.arange(4)).float() * (1 - own)
        assert torch.allclose(foreign[:, 0].float().mean((1, 2)), expected, atol=1e-6)
        assert torch.equal(mixed[foreign], images[others][foreign])
        shares.append(own)
    assert min(shares) < 0.2
    assert max(shares) > 0.8
