"""Temporal-PAE of PriorCLIP (arXiv 2405.10160): a text is read in cycles, each asked by the one before.

Submodules bear the names that they have in released checkpoints.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import normalize

from engine.models.prior_clip.layers import DROPOUT, HEADS, CrossAttentionLayer, SelfAttentionLayer

CYCLE_STEPS = 3


class TemporalPAE(nn.Module):
    """``cycle_steps`` times ``a = SA(T); T = CA(query = N_s(T from before this SA), keys and values = a, residual a)``.

    The text is ``normalise(T_0 before the cycles + Linear(T_0 after them))``. Only T_0 leaves the last cycle, so only
    its position is computed there.

    The last Linear starts at zero: a fresh encoder gives the global token as it is, and can be put on trained towers.

    Args:
        width: E of the tokens.
        cycle_steps: how many cycles.
        heads: attention heads, a divisor of ``width``.
        dropout: see :class:`SelfAttentionLayer`.

    Raises:
        ValueError: ``heads`` does not divide ``width``.
    """

    def __init__(
        self, width: int, cycle_steps: int = CYCLE_STEPS, heads: int = HEADS, dropout: float = DROPOUT
    ) -> None:
        super().__init__()
        self.txt_sa = nn.ModuleList(SelfAttentionLayer(width, heads, dropout) for _ in range(cycle_steps))
        self.txt_ca = nn.ModuleList(CrossAttentionLayer(width, heads, dropout) for _ in range(cycle_steps))
        self.mapping_txt = nn.ModuleList(nn.Linear(width, width) for _ in range(cycle_steps))
        self.head_txt = nn.Linear(width, width)
        nn.init.zeros_(self.head_txt.weight)
        nn.init.zeros_(self.head_txt.bias)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """A text's embedding.

        Args:
            tokens: ``(B, L, E)``, position 0 the global one.
            mask: bool ``(B, L)``, True for a token, position 0 always; None: all are tokens. Others are never looked
                at.

        Returns:
            ``(B, E)`` float32, unit length.
        """
        return normalize((tokens[:, 0] + self.change(tokens, mask)).float(), dim=1)

    def change(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """What is added to the global token: ``Linear(T_0)``, ``(B, E)``; arguments as in :meth:`forward`."""
        for step, (sa, ca, activation) in enumerate(zip(self.txt_sa, self.txt_ca, self.mapping_txt, strict=True)):
            asked = 1 if step == len(self.txt_sa) - 1 else tokens.shape[1]
            seen = sa(tokens, mask)
            tokens = ca(activation(tokens[:, :asked]), seen, seen[:, :asked], mask)
        out: Tensor = self.head_txt(tokens[:, 0])
        return out
