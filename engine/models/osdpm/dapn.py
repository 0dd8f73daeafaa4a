"""DAPN, OSDPM's dual-attention perception network, on the token map of any image tower.

The paper's words: "A Dual-Attention Perception Network (DAPN) is then developed to characterize both global contextual
information and salient object regions". The reading:

- *Dual*: the collaborative attention gives the global context, and by it the object-aware attention finds the salient
  regions; this order is the abstract's.
- The *map* is raised where attention is, to ``x · (1 + a · spatial · channel + b · saliency)``: weights of attention
  scaled to a mean of one, a and b a gate for each channel, which start at zero. Patch embeddings come from this map.
- The *feature*, from which the image's embedding is made, is the mean of that map plus what a small network makes of
  global context and object feature together; its last layer starts at zero.
- Attention sees the map standardised for each image, so that it does not depend on the scale of a backbone's features.

So a fresh DAPN is the identity, to the last bit, and can be put on a trained tower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from engine.models.osdpm.collaborative import SpatialChannelAttention
from engine.models.osdpm.saliency import ObjectAwareAttention


@dataclass(frozen=True, slots=True)
class Perception:
    """What DAPN makes of B token maps; weights of attention sum to one for each image.

    Attributes:
        feature: ``(B, C)``, of the whole image.
        map: ``(B, C, h, w)``, the tokens with attended ones raised.
        spatial: ``(B, h, w)``, positions by the collaborative attention.
        channel: ``(B, C)``, channels by the same.
        scales: ``(B, S)``, the scales of the object-aware attention.
        saliency: ``(B, h, w)``, positions by the object-aware attention.
    """

    feature: Tensor
    map: Tensor
    spatial: Tensor
    channel: Tensor
    scales: Tensor
    saliency: Tensor


class DAPN(nn.Module):
    """Dual attention on a token map of any h and w.

    Args:
        channels: C of the map.
        reduction: the bottlenecks are ``channels // reduction`` wide; they hold nearly all parameters, about
            ``7 * channels² / reduction``.
        scales: sides of the regions that may be objects, in tokens.
    """

    def __init__(self, channels: int, reduction: int, scales: Sequence[int] = (1, 2, 3)) -> None:
        super().__init__()
        if not 1 <= reduction <= channels:
            raise ValueError(f"reduction must be from 1 to the {channels} channels, not {reduction}")
        hidden = channels // reduction
        self.collaborative = SpatialChannelAttention(channels, hidden)
        self.object_aware = ObjectAwareAttention(channels, hidden, scales)
        self.context_gate = nn.Parameter(torch.zeros(channels))
        self.saliency_gate = nn.Parameter(torch.zeros(channels))
        self.fuse = nn.Sequential(nn.LayerNorm(2 * channels), nn.Linear(2 * channels, hidden), nn.GELU())
        self.up = nn.Linear(hidden, channels)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, tokens: Tensor) -> Perception:
        """Token map ``(B, C, h, w)`` to what is perceived in it."""
        positions = tokens.shape[2] * tokens.shape[3]
        seen = layer_norm(tokens, tokens.shape[1:])
        spatial, channel = self.collaborative(seen)
        raised = channel.shape[1] * channel  # a mean of one
        context = raised * torch.einsum("bchw,bhw->bc", tokens, spatial)
        salient = self.object_aware(tokens, seen, context)
        # The mean of the raised map, by parts: a loss on the embedding alone sends no gradient through the map.
        feature = tokens.mean((2, 3)) + self.context_gate * context + self.saliency_gate * salient.objects
        feature = feature + self.up(self.fuse(torch.cat([context, salient.objects], 1)))
        gates = torch.stack([self.context_gate * raised, self.saliency_gate.expand_as(raised)], 2)  # (B, C, 2)
        attended = positions * torch.stack([spatial, salient.saliency], 1).flatten(2)  # (B, 2, h * w)
        change = (gates @ attended).view_as(tokens)
        return Perception(feature, tokens + tokens * change, spatial, channel, salient.scales, salient.saliency)
