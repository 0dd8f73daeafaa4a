"""The attention layers of PriorCLIP's progressive attention encoders (PAE; arXiv 2405.10160).

Submodules bear the names that they have in released checkpoints. Sequences are ``(B, L, E)``; masks are bool with True
for a token. All LayerNorms have eps 1e-5, dropout acts while training only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

HEADS = 8
DROPOUT = 0.2


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention with separate maps of queries, keys and values, and one that merges the heads.

    Args:
        width: E.
        heads: divides ``width``; scores are divided by the root of ``width / heads``.
        dropout: rate on the attention map.

    Raises:
        ValueError: ``heads`` does not divide ``width``.
    """

    def __init__(self, width: int, heads: int = HEADS, dropout: float = DROPOUT) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"An attention of width {width} cannot have {heads} heads; they must divide it evenly.")
        self.heads, self.dropout = heads, dropout
        self.linear_q = nn.Linear(width, width)
        self.linear_k = nn.Linear(width, width)
        self.linear_v = nn.Linear(width, width)
        self.linear_merge = nn.Linear(width, width)

    def forward(self, query: Tensor, source: Tensor, mask: Tensor | None = None) -> Tensor:
        """What the queries find in the source.

        Args:
            query: ``(B, Q, E)``.
            source: keys and values, ``(B, L, E)``.
            mask: of the source, ``(B, L)``, at least one True in each row; None: all are tokens.

        Returns:
            ``(B, Q, E)``.
        """
        found = scaled_dot_product_attention(
            self._split(self.linear_q(query)),
            self._split(self.linear_k(source)),
            self._split(self.linear_v(source)),
            attn_mask=None if mask is None else mask[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
        )
        merged: Tensor = self.linear_merge(found.transpose(1, 2).flatten(2))
        return merged

    def _split(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, 2, (self.heads, -1)).transpose(1, 2)  # (B, heads, L, E / heads)


class SelfAttentionLayer(nn.Module):
    """SA: ``x = LN1(x + MHA(x, x, x)); x = LN2(x + FFN(x))``.

    Args:
        width: E.
        heads: divides ``width``.
        dropout: rate on the attention map, after the attention and after the FFN.

    Raises:
        ValueError: ``heads`` does not divide ``width``.
    """

    def __init__(self, width: int, heads: int = HEADS, dropout: float = DROPOUT) -> None:
        super().__init__()
        self.mhatt = MultiHeadAttention(width, heads, dropout)
        self.norm1 = nn.LayerNorm(width)
        self.ffn = feed_forward(width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(B, L, E)``, of which ``mask`` ``(B, L)`` names the tokens, to the same shape."""
        x = self.norm1(x + self.dropout(self.mhatt(x, x, mask)))
        out: Tensor = self.norm2(x + self.dropout(self.ffn(x)))
        return out


class CrossAttentionLayer(nn.Module):
    """CA: ``x = LN1(r + MHA(q, a, a)); x = LN2(x + FFN(x))``: queries are answered, the residual is the source's.

    Args:
        width: E.
        heads: divides ``width``.
        dropout: rate on the attention map, after the attention and after the FFN.

    Raises:
        ValueError: ``heads`` does not divide ``width``.
    """

    def __init__(self, width: int, heads: int = HEADS, dropout: float = DROPOUT) -> None:
        super().__init__()
        self.mhatt_cross = MultiHeadAttention(width, heads, dropout)
        self.norm1 = nn.LayerNorm(width)
        self.ffn = feed_forward(width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, source: Tensor, residual: Tensor, mask: Tensor | None = None) -> Tensor:
        """The residual's positions, each with what its query found in the source.

        Args:
            query: q, ``(B, R, E)``, or ``(B, 1, E)`` where all positions ask the same.
            source: a, ``(B, L, E)``.
            residual: r, ``(B, R, E)``: those positions of a that are asked for.
            mask: of the source, ``(B, L)``; None: all are tokens.

        Returns:
            ``(B, R, E)``.
        """
        found = self.mhatt_cross(query, source, mask).expand_as(residual)
        x = self.norm1(residual + self.dropout(found))
        out: Tensor = self.norm2(x + self.dropout(self.ffn(x)))
        return out


def feed_forward(width: int) -> nn.Sequential:
    """FFN: to twice the width, LayerNorm, GELU (the exact one), back to the width."""
    return nn.Sequential(nn.Linear(width, 2 * width), nn.LayerNorm(2 * width), nn.GELU(), nn.Linear(2 * width, width))
