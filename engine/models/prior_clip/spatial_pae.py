"""Spatial-PAE of PriorCLIP (arXiv 2405.10160): the prior chooses an image's tokens and asks them.

Submodules bear the names that they have in released checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from engine.models.prior_clip.layers import DROPOUT, HEADS, CrossAttentionLayer, SelfAttentionLayer

FILTER_SIZE = 40  # of the 50 tokens of a ViT-B/32
LAYERS = 2


class SpatialPAE(nn.Module):
    """Tokens in the order of the prior's belief in them, the best of them read ``layers`` times under its instruction.

    F = the ``filter_size`` tokens of highest belief, in that order. Then, ``layers`` times: ``a = SA(F); F = CA(query =
    M_s(prior), keys and values = a, residual on a)``. The image is ``normalise(V_0 + Linear(F_0))``. Only F_0 leaves
    the last layer, so only its position is computed there.

    The last Linear starts at zero: a fresh encoder gives the global token as it is, and can be put on trained towers.

    Args:
        width: E of tokens and prior.
        filter_size: tokens kept; cut to as many as there are.
        layers: instruction layers.
        heads: attention heads, a divisor of ``width``.
        dropout: see :class:`SelfAttentionLayer`.

    Raises:
        ValueError: ``heads`` does not divide ``width``.
    """

    def __init__(
        self,
        width: int,
        filter_size: int = FILTER_SIZE,
        layers: int = LAYERS,
        heads: int = HEADS,
        dropout: float = DROPOUT,
    ) -> None:
        super().__init__()
        self.filter_size = filter_size
        self.img_sa = nn.ModuleList(SelfAttentionLayer(width, heads, dropout) for _ in range(layers))
        self.img_ca = nn.ModuleList(CrossAttentionLayer(width, heads, dropout) for _ in range(layers))
        self.mapping_img = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.head_img = nn.Linear(width, width)
        nn.init.zeros_(self.head_img.weight)
        nn.init.zeros_(self.head_img.bias)

    def forward(self, tokens: Tensor, prior: Tensor) -> Tensor:
        """Tokens ``(B, 1 + N, E)``, position 0 the global one, and prior ``(B, E)`` to ``(B, E)`` of unit length."""
        return normalize((tokens[:, 0] + self.change(tokens, prior)).float(), dim=1)

    def change(self, tokens: Tensor, prior: Tensor) -> Tensor:
        """What is added to the global token: ``Linear(F_0)``, ``(B, E)``; arguments as in :meth:`forward`."""
        kept = by_belief(tokens, prior)[:, : self.filter_size, None]
        chosen = tokens.gather(1, kept.expand(-1, -1, tokens.shape[2]))
        for step, (sa, ca, instruction) in enumerate(zip(self.img_sa, self.img_ca, self.mapping_img, strict=True)):
            seen = sa(chosen)
            last = step == len(self.img_sa) - 1
            chosen = ca(instruction(prior)[:, None], seen, seen[:, :1] if last else seen)
        out: Tensor = self.head_img(chosen[:, 0])
        return out


def by_belief(tokens: Tensor, prior: Tensor) -> Tensor:
    """Positions of the tokens, those first in which the prior believes most.

    Belief is the softmax over the tokens of their dot products with the prior; only its order is used.

    Args:
        tokens: ``(B, L, E)``.
        prior: ``(B, E)``.

    Returns:
        int64 ``(B, L)``; equal beliefs, such as those too small for a float, in the order in which they stand.
    """
    with torch.no_grad():
        # Not a matrix product: autocast would round it, and close beliefs would change places.
        belief = (tokens.float() * prior.float()[:, None]).sum(2).softmax(1)
        return belief.argsort(dim=1, descending=True, stable=True)
