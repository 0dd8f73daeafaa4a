"""Augmentation of uint8 batches in one bilinear resampling: crop, flips, quarter turns, then a mild colour jitter;
parts of other images (CutMix).

Nadir imagery has no "up", so all eight symmetries of the square are equally likely.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


def augment(
    images: Tensor,
    side: int,
    smallest_crop: float,
    jitter: float,
    generator: torch.Generator,
    *,
    rotations: bool = True,
) -> Tensor:
    """uint8 ``(B, 3, H, W)`` to float32 ``(B, 3, side, side)`` in 0..255.

    Args:
        smallest_crop: least share of the area that a square crop keeps.
        jitter: largest relative change of brightness, contrast and saturation.
        rotations: all eight symmetries of the square; else left and right alone are swapped.
    """
    count = images.shape[0]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator)

    scale = uniform(smallest_crop, 1.0, count).sqrt()
    shift = uniform(-1.0, 1.0, count, 2) * (1 - scale)[:, None]
    theta = torch.zeros(count, 2, 3)
    swap = torch.rand(count, generator=generator) < 0.5
    signs = torch.where(torch.rand(count, 2, generator=generator) < 0.5, -1.0, 1.0) * scale[:, None]
    if not rotations:
        swap[:] = False
        signs[:, 1] = scale
    theta[:, 0, 0] = torch.where(swap, 0.0, signs[:, 0])
    theta[:, 0, 1] = torch.where(swap, signs[:, 0], 0.0)
    theta[:, 1, 0] = torch.where(swap, signs[:, 1], 0.0)
    theta[:, 1, 1] = torch.where(swap, 0.0, signs[:, 1])
    theta[:, :, 2] = shift
    grid = affine_grid(theta, [count, 3, side, side], align_corners=False)
    out = grid_sample(images.to(torch.float32), grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return jitter_colours(out, jitter, generator)


def jitter_colours(images: Tensor, jitter: float, generator: torch.Generator) -> Tensor:
    """float32 ``(B, 3, H, W)`` in 0..255; contrast, brightness and saturation change by up to ``jitter`` of them."""
    if not jitter:
        return images
    gain = 1 - jitter + 2 * jitter * torch.rand(3, len(images), 1, 1, 1, generator=generator)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = ((images - mean) * gain[0] + mean) * gain[1]
    grey = images.mean(1, keepdim=True)
    return ((images - grey) * gain[2] + grey).clamp_(0, 255)


def cutmix(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, float]:
    """A square of another image of the batch in each image (Yun et al., arXiv 1905.04899).

    Args:
        images: float32 ``(B, 3, S, S)``; left as it is.

    Returns:
        The mixed images, int64 ``(B,)`` whose square each got, and the share of the area that stayed its own.
    """
    count, _, side, _ = images.shape
    others = torch.randperm(count, generator=generator)
    edge = int(side * (1 - torch.rand((), generator=generator)).sqrt())  # areas evenly between none and all
    y, x = torch.randint(side - edge + 1, (2,), generator=generator).tolist()
    mixed = images.clone()
    mixed[:, :, y : y + edge, x : x + edge] = images[others, :, y : y + edge, x : x + edge]
    return mixed, others, 1 - (edge / side) ** 2
