"""Patch embeddings on a grid finer than the model's own, from views of a tile that are shifted by parts of a cell."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn.functional import pad

from engine.models.contract import RetrievalModel
from engine.types import UInt8Array

_VIEWS_PER_BATCH = 64

_grids: WeakKeyDictionary[RetrievalModel, tuple[int, int]] = WeakKeyDictionary()


@torch.inference_mode()
def dense_features(
    model: RetrievalModel,
    tiles: UInt8Array | Tensor,
    shifts: int,
    offset: tuple[float, float] = (0.0, 0.0),
    views_per_batch: int = _VIEWS_PER_BATCH,
) -> Tensor:
    """uint8 RGB tiles ``(B, H, W, 3)`` to patch embeddings ``(B, h * shifts, w * shifts, E)``, float32, on the CPU.

    The tile is continued by reflection, and ``shifts`` views along each axis, each moved by 1 / shifts of a cell, are
    encoded; their patches interleave ("shift and stitch": Long et al., arXiv 1411.4038, section 3.2). Cell (i, j) of
    the result is centred on ((i + 0.5) / (h shifts), (j + 0.5) / (w shifts)) of the tile.

    Args:
        model: what encodes.
        tiles: one batch of equal size.
        shifts: views along each axis; cost grows with its square.
        offset: displacement of the patches' receptive fields in cells (:func:`engine.segment.alignment.patch_offset`).
        views_per_batch: how many views go through the model at once.
    """
    if shifts < 1:
        raise ValueError(f"shifts is {shifts}; it must be at least 1")
    inputs = model.preprocess(tiles)  # (B, 3, S, S)
    count, _, side, _ = inputs.shape
    rows, cols = _patch_grid(model, inputs)
    starts_y = _starts(side / rows, shifts, offset[0])
    starts_x = _starts(side / cols, shifts, offset[1])
    margin = max(abs(start) for start in (*starts_y, *starts_x))
    mode = "reflect" if margin < side else "replicate"
    wide = pad(inputs, (margin, margin, margin, margin), mode=mode) if margin else inputs
    per_call = max(1, views_per_batch // count)
    places = [(y, x) for y in range(shifts) for x in range(shifts)]
    out = torch.empty(count, rows, shifts, cols, shifts, model.embed_dim)
    for first in range(0, len(places), per_call):
        some = places[first : first + per_call]
        views = torch.cat([_view(wide, margin + starts_y[y], margin + starts_x[x], side) for y, x in some])
        patches = model.encode_patches(views).float().cpu().view(len(some), count, rows, cols, model.embed_dim)
        for (y, x), of_view in zip(some, patches, strict=True):
            out[:, :, y, :, x] = of_view
    return out.view(count, rows * shifts, cols * shifts, model.embed_dim)


def _patch_grid(model: RetrievalModel, inputs: Tensor) -> tuple[int, int]:
    """Rows and columns of the model's patches; its input has one size, so it is asked once."""
    if model not in _grids:
        rows, cols = model.encode_patches(inputs[:1]).shape[1:3]
        _grids[model] = rows, cols
    return _grids[model]


def _starts(cell: float, shifts: int, offset: float) -> list[int]:
    """Upper or left edges of the views in input pixels, 0 being the tile's own edge."""
    return [round(cell * ((k + 0.5) / shifts - 0.5 - offset)) for k in range(shifts)]


def _view(wide: Tensor, top: int, left: int, side: int) -> Tensor:
    return wide[:, :, top : top + side, left : left + side]
