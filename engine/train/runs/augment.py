"""Augmentation of a picture and the masks on it: the same crop, flip, shear, shift and turn for all of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from engine.train.runs.settings import AugmentationSettings

MOVING = frozenset({"ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"})


class Augmentation:
    """Random resized crop (bicubic), horizontal flip, RandAugment (Cubuk et al., arXiv 1909.13719); see its settings.

    Random numbers come from PyTorch's global generator.
    """

    def __init__(self, settings: AugmentationSettings, side: int) -> None:
        self._place = v2.Compose(
            [
                v2.RandomResizedCrop(
                    side, (settings.smallest_crop, 1.0), interpolation=v2.InterpolationMode.BICUBIC, antialias=True
                ),
                v2.RandomHorizontalFlip(settings.flip),
            ]
        )
        self._rand_augment = _MaskedRandAugment(settings.augment_operations, settings.augment_magnitude)

    def __call__(self, image: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 ``(3, H, W)`` and bool ``(n, H, W)`` to uint8 ``(3, side, side)`` and bool ``(n, side, side)``."""
        picture, cover = self._place(tv_tensors.Image(image), tv_tensors.Mask(masks))
        return self._rand_augment.augment(torch.Tensor(picture).byte(), torch.Tensor(cover).bool())


class _MaskedRandAugment(v2.RandAugment):  # type: ignore[misc]  # torchvision ships no types
    """torchvision's RandAugment refuses masks; here they follow the operations that move pixels, the others do not
    concern them. What moves in from outside is black in the picture, and outside of every mask.
    """

    def augment(self, image: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        self._masks = masks
        return self(image), self._masks

    def _apply_image_or_video_transform(
        self, image: Tensor, transform_id: str, magnitude: float, interpolation: Any, fill: Any
    ) -> Tensor:
        apply = super()._apply_image_or_video_transform
        if transform_id in MOVING and len(self._masks):
            moved = apply(self._masks.byte(), transform_id, magnitude, v2.InterpolationMode.NEAREST, fill)
            self._masks = moved.bool()
        out: Tensor = apply(image, transform_id, magnitude, interpolation, fill)
        return out
