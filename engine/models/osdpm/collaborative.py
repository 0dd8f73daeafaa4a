"""OSDPM's spatial-channel collaborative attention: where to look, and at which channels, each asked of the other.

The paper's words: "integrating attention across spatial and channel dimensions"; in the Chinese abstract the weights of
the two dimensions interact ("空间-通道维度注意权重交互") "to capture the image's global context features". The reading:

- *Weights of attention* are distributions: over the h * w positions, and over the C channels; each sums to one.
- *Interact*: each is computed twice by the same small network. The first time nothing is known of the other, as if it
  were even. The second time channels are described by the mean over positions that the first spatial weights give, and
  positions by channels that the first channel weights have scaled. The second ones are the result.
- A channel is judged by the squeeze-and-excitation bottleneck (Hu et al., arXiv 1709.01507), a position by a 3 x 3
  convolution of itself and its neighbours: the usual two, since the abstract names none.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import fold

_SIDE = 3  # of the convolution


class SpatialChannelAttention(nn.Module):
    """Spatial and channel weights of a token map, computed with each other.

    Args:
        channels: C of the map.
        hidden: width of the bottleneck between the channels' description and their weights.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.channel = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))
        bound = (_SIDE * _SIDE * channels) ** -0.5  # that of nn.Conv2d
        self.kernel = nn.Parameter(torch.empty(_SIDE * _SIDE, channels).uniform_(-bound, bound))

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised token map to the weights of positions and channels, each summing to one.

        Args:
            seen: ``(B, C, h, w)``.

        Returns:
            ``(B, h, w)`` and ``(B, C)``.
        """
        even = torch.ones_like(seen[:, :, 0, 0])
        channel = self._channel(seen.mean((2, 3)))
        spatial = self._spatial(seen, even)
        looked_at = torch.einsum("bchw,bhw->bc", seen, spatial)
        return self._spatial(seen, channel.shape[1] * channel), self._channel(looked_at)

    def _channel(self, described: Tensor) -> Tensor:
        logits: Tensor = self.channel(described)
        return logits.softmax(1)

    def _spatial(self, seen: Tensor, scale: Tensor) -> Tensor:
        """Of the map with its channels scaled ``(B, C)``; the scale goes into the kernel, which is smaller."""
        kernel = self.kernel * scale[:, None, :]  # (B, 9, C)
        parts = kernel @ seen.flatten(2)  # (B, 9, h * w): what each position says to its neighbours
        logits = fold(parts, seen.shape[2:], _SIDE, padding=_SIDE // 2)[:, 0]
        return logits.flatten(1).softmax(1).view_as(logits)
