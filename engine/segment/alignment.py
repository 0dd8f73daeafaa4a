"""Where the patches of a model look: the offset between a patch's cell and the centre of its receptive field.

A convolutional tower with symmetric padding sees its cells shifted (EfficientNet's patch i is centred on pixel 32 i,
the upper left corner of its cell), a vision transformer does not. Half a cell is as large as many objects, so it is
measured.
"""

from __future__ import annotations

import numpy as np
import torch

from engine.models.contract import RetrievalModel
from engine.types import UInt8Array

_STEPS = 4  # probe positions along each axis of one cell
_SPECK = 0.25  # side of a probe in cells
_GREY = 127
_TEXTURE = 12.0  # deviation of the ground under the probes: rectifiers must not be asleep
_CONTRAST = 100


@torch.inference_mode()
def patch_offset(model: RetrievalModel) -> tuple[float, float]:
    """Mean displacement (rows, columns) in cells of the patches' receptive fields from the centres of their cells.

    Specks are put all over the middle cell of a grey image. The centroid of the patches that change, on average over
    the cell, is where the speck was, less the displacement: (-0.5, -0.5) for fields centred on the upper left corners.
    A model with fewer than three patches along an axis is taken as aligned.
    """
    side = model.image_size
    ground = np.random.default_rng(0).normal(_GREY, _TEXTURE, (side, side, 3)).clip(0, 255).astype(np.uint8)
    rows, cols = model.encode_patches(model.preprocess(ground[None])).shape[1:3]
    if min(rows, cols) < 3:
        return 0.0, 0.0
    cell_y, cell_x = side / rows, side / cols
    steps = (np.arange(_STEPS) + 0.5) / _STEPS
    centres = [(rows // 2 + dy, cols // 2 + dx) for dy in steps for dx in steps]  # in cells
    images = [ground, *(_speck(ground, y * cell_y, x * cell_x, _SPECK * cell_y, _SPECK * cell_x) for y, x in centres)]
    patches = model.encode_patches(model.preprocess(np.stack(images))).float().cpu()  # (1 + probes, h, w, E)
    change = (patches[1:] - patches[:1]).square().sum(-1).numpy().astype(np.float64)  # (probes, h, w)
    change = change - np.median(change, axis=(1, 2), keepdims=True)  # what all patches share says nothing of place
    change = change.clip(0.0, None)
    total = change.sum((1, 2))
    if not (total > 0).all():
        return 0.0, 0.0
    found_y = (change.sum(2) * (np.arange(rows) + 0.5)).sum(1) / total
    found_x = (change.sum(1) * (np.arange(cols) + 0.5)).sum(1) / total
    true_y, true_x = np.array(centres).T
    return float((true_y - found_y).mean()), float((true_x - found_x).mean())


def _speck(ground: UInt8Array, y: float, x: float, height: float, width: float) -> UInt8Array:
    image = ground.copy()
    top, bottom = round(y - height / 2), round(y + height / 2)
    left, right = round(x - width / 2), round(x + width / 2)
    image[top:bottom, left:right] = _GREY + _CONTRAST
    return image
