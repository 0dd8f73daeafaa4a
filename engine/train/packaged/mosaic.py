"""Four images on one canvas: what teaches the image tower which of its tokens shows what.

A caption says nothing of where things are. On a canvas of four images (the augmentation of YOLOv4, Bochkovskiy et al.,
arXiv 2004.10934) each token has captions of its own, so that whole-image captions become a coarse supervision in space.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

PARTS = 4


def mosaics(images: Tensor, side: int, stride: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Square images ``(B, 3, S, S)`` float32 to canvases ``(B // 4, 3, side, side)``.

    One cross, at the edge of a token and not too near the border, cuts all canvases of a call; each part shows one
    image, shrunk to the part's longer side and cropped to the other. Images beyond a multiple of four are left out.

    Returns:
        The canvases, and int64 ``(B // 4, side / stride, side / stride)``: the index of the image that a token shows.
    """
    count, cells = images.shape[0] // PARTS, side // stride
    order = torch.randperm(images.shape[0], generator=generator)[: count * PARTS].view(PARTS, count)
    least = -(-cells // 3)
    cut_y, cut_x = torch.randint(least, cells - least + 1, (2,), generator=generator).tolist()
    canvas = images.new_empty(count, 3, side, side)
    owners = torch.empty(count, cells, cells, dtype=torch.int64)
    places = [(y, x) for y in ((0, cut_y), (cut_y, cells)) for x in ((0, cut_x), (cut_x, cells))]
    for rows, ((top, bottom), (left, right)) in zip(order, places, strict=True):
        height, width = (bottom - top) * stride, (right - left) * stride
        longer = max(height, width)
        part = interpolate(images[rows], (longer, longer), mode="bilinear", antialias=True)
        y, x = (int(torch.randint(longer - size + 1, (1,), generator=generator)) for size in (height, width))
        canvas[:, :, top * stride : bottom * stride, left * stride : right * stride] = part[
            :, :, y : y + height, x : x + width
        ]
        owners[:, top:bottom, left:right] = rows[:, None, None]
    return canvas, owners
