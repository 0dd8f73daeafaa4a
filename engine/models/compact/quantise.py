"""Weight-only int8 with one scale per output row, dequantised at load.

Large matrices and kernels are stored as int8 with a float32 scale a row; what is small (biases, norms) stays float32.
Arithmetic is never done in int8, so any CPU gives the same embeddings to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

SCALE_SUFFIX = ".scale"
SMALLEST = 4096  # below this, a float16 tensor costs less than the error is worth


def quantise(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A float state dict to its stored form: int8 tensors with ``NAME.scale`` ``(rows,)`` beside them, else float32."""
    stored: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if tensor.ndim < 2 or tensor.numel() < SMALLEST:
            stored[name] = tensor.to(torch.float32).contiguous()
            continue
        rows = tensor.to(torch.float32).flatten(1)
        scale = (rows.abs().amax(1) / 127).clamp_min(1e-12)
        stored[name] = (rows / scale[:, None]).round().clamp(-127, 127).to(torch.int8).view(tensor.shape).contiguous()
        stored[name + SCALE_SUFFIX] = scale
    return stored


def dequantise(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of :func:`quantise`: a float32 state dict."""
    state: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name.endswith(SCALE_SUFFIX):
            continue
        if tensor.dtype != torch.int8:
            state[name] = tensor.to(torch.float32)
            continue
        scale = stored[name + SCALE_SUFFIX]
        state[name] = tensor.to(torch.float32) * scale.view(-1, *[1] * (tensor.ndim - 1))
    return state
