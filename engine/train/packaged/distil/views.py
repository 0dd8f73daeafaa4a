"""What teachers and student see of an image: all of it, crops and mixtures with other images, drawn once.

The views are fixed, so that the teachers' embeddings are computed once and kept.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

SYMMETRIES = 8
_STRETCH = 0.29  # largest natural logarithm of a crop's width over its height (4 : 3)
_LEAST_SHARE = 0.3  # of either image in a mixture


class FixedViews:
    """Views of N images: number 0 is the whole image, then ``crops``, then ``mixtures``.

    A mixture pastes a rectangle of another image (CutMix, arXiv 1905.04899) or blends the two (mixup, arXiv
    1710.09412), as a coin falls; both are turned at random first.

    Args:
        pixels: uint8 ``(N, 3, S, S)``.
    """

    def __init__(
        self, pixels: Tensor, crops: int, mixtures: int, smallest_crop: float, generator: torch.Generator
    ) -> None:
        self._pixels = pixels
        self.crops, self.mixtures = crops, mixtures
        count, side = pixels.shape[0], pixels.shape[-1]

        def uniform(low: float, high: float, columns: int) -> Tensor:
            return low + (high - low) * torch.rand(count, columns, generator=generator)

        self._crops = _boxes(uniform(smallest_crop, 1.0, crops), uniform(-_STRETCH, _STRETCH, crops), side, generator)
        self._share = uniform(_LEAST_SHARE, 1 - _LEAST_SHARE, mixtures)
        self._patches = _boxes(self._share, uniform(-_STRETCH, _STRETCH, mixtures), side, generator)
        self._pasted = torch.rand(count, mixtures, generator=generator) < 0.5
        self._turned = torch.randint(SYMMETRIES, (count, mixtures, 2), generator=generator)
        self._others = torch.stack(
            [torch.randperm(count, generator=generator) for _ in range(mixtures)] or [torch.empty(count)], 1
        ).long()

    def __len__(self) -> int:
        """Views of an image."""
        return 1 + self.crops + self.mixtures

    def render(self, row: int, view: int, side: int) -> Tensor:
        """View number ``view`` of image ``row``: float32 ``(3, side, side)`` in 0..255."""
        picture = self._pixels[row].float()
        if 0 < view <= self.crops:
            x, y, width, height = self._crops[row, view - 1].tolist()
            picture = picture[:, y : y + height, x : x + width]
        elif view > self.crops:
            picture = self._mixture(picture, row, view - 1 - self.crops)
        return interpolate(picture[None], (side, side), mode="bilinear", antialias=True)[0]

    def _mixture(self, picture: Tensor, row: int, number: int) -> Tensor:
        first, second = self._turned[row, number].tolist()
        picture = symmetry(picture, first)
        other = symmetry(self._pixels[int(self._others[row, number])].float(), second)
        if self._pasted[row, number]:
            x, y, width, height = self._patches[row, number].tolist()
            picture = picture.clone()
            picture[:, y : y + height, x : x + width] = other[:, y : y + height, x : x + width]
            return picture
        return torch.lerp(picture, other, float(self._share[row, number]))


def symmetry(images: Tensor, number: int) -> Tensor:
    """One of the eight symmetries of the square on ``(…, S, S)``; below 4 a quarter turn each, then mirrored."""
    turned = torch.rot90(images, number % 4, (-2, -1))
    return turned if number < 4 else turned.flip(-1)


def _boxes(share: Tensor, stretch: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Rectangles of a share of a square's area: int64 ``(N, K, 4)``, x, y, width, height."""
    widths = (share.sqrt() * (stretch / 2).exp() * side).round().clamp(1, side)
    heights = (share.sqrt() * (-stretch / 2).exp() * side).round().clamp(1, side)
    sizes = torch.stack([widths, heights], -1)
    corners = (torch.rand(sizes.shape, generator=generator) * (side + 1 - sizes)).floor()
    return torch.cat([corners, sizes], -1).long()
