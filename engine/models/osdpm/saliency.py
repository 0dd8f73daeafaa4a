"""OSDPM's adaptive saliency-region object-aware attention: regions of several sizes, weighted for each image.

The paper's words: "dynamically attending to significant local regions", "objects with large scale variations"; in the
Chinese abstract a "dynamic multi-scale weighted aggregation of object features" ("动态多尺度目标特征加权聚合") raises
the "focusing response to the salient features of an object's local region". The reading:

- *Regions* of scale s are windows of s x s tokens side by side, averaged; those at the right and lower edge may be
  smaller. On a map smaller than s the one window is the whole map.
- *Salient* is a region that answers a query made from the image's global context, which makes the attention adaptive
  to the image; each scale stresses channels of its own in the query. A token has the response of its window, and the
  softmax over all tokens is the saliency map of the scale: it sums to one, and an edge window counts by its tokens.
- *Object feature* of a scale: the mean of the tokens under its saliency map.
- *Dynamic*: the weights of the scales are a softmax over scores of those object features, so they differ between
  images. Saliency maps and object features are added up with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, layer_norm


class Salient(NamedTuple):
    """What of each image is salient.

    Attributes:
        saliency: ``(B, h, w)``, sums to one: the maps of the scales, weighted.
        scales: ``(B, S)``, sums to one: the weight of each scale.
        objects: ``(B, C)``: the object features of the scales, weighted.
    """

    saliency: Tensor
    scales: Tensor
    objects: Tensor


class ObjectAwareAttention(nn.Module):
    """Saliency of the regions of a token map at several scales.

    Args:
        channels: C of the map.
        hidden: width of the bottleneck between the context and the query.
        scales: sides of the windows, in tokens, each at least 1.
    """

    def __init__(self, channels: int, hidden: int, scales: Sequence[int]) -> None:
        super().__init__()
        if not scales or min(scales) < 1:
            raise ValueError(f"scales must be sides of windows of at least one token, not {tuple(scales)}")
        self.sides = tuple(scales)
        self.query = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels)
        )
        self.stress = nn.Parameter(torch.ones(len(self.sides), channels))
        self.score = nn.Linear(channels, 1, bias=False)
        self.scale_bias = nn.Parameter(torch.zeros(len(self.sides)))

    def forward(self, tokens: Tensor, seen: Tensor, context: Tensor) -> Salient:
        """What is salient.

        Args:
            tokens: ``(B, C, h, w)``.
            seen: the same standardised.
            context: ``(B, C)``, the image's global context.
        """
        queries = self.query(context)[:, None] * self.stress / context.shape[1] ** 0.5  # (B, S, C)
        # The response of an averaged window is the average of its tokens' responses.
        responses = torch.einsum("bsc,bchw->bshw", queries, seen)  # (B, S, h, w)
        maps = torch.stack([_saliency(responses[:, i], side) for i, side in enumerate(self.sides)], 1)
        objects = torch.einsum("bshw,bchw->bsc", maps, tokens)
        scores: Tensor = self.score(layer_norm(objects, objects.shape[2:]))[:, :, 0]
        scales = (scores + self.scale_bias).softmax(1)
        saliency = torch.einsum("bs,bshw->bhw", scales, maps)
        return Salient(saliency, scales, torch.einsum("bs,bsc->bc", scales, objects))


def _saliency(responses: Tensor, side: int) -> Tensor:
    """Responses of tokens ``(B, h, w)`` to the saliency map of windows of ``side`` tokens, constant in each of them."""
    h, w = responses.shape[1:]
    window = (min(side, h), min(side, w))
    regions = avg_pool2d(responses, window, ceil_mode=True, count_include_pad=False)  # (B, rows, columns)
    spread = regions.repeat_interleave(window[0], 1).repeat_interleave(window[1], 2)[:, :h, :w]
    return spread.flatten(1).softmax(1).view(-1, h, w)
