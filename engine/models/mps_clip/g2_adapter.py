"""The G²A adapter of MPS-CLIP (arXiv 2601.18190): gated global attention beside every block of a frozen transformer.

Submodules bear the names that they have in released checkpoints.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import lru_cache

import torch
from torch import Tensor, nn

GATE_AT_START = 0.6
DROPOUT = 0.1
_KERNEL = 5  # positions that the depthwise convolution sees


class G2Adapter(nn.Module):
    """``y = x + Up(sigmoid(g) * GA(P(SA(GELU(Down(x))))))`` on any sequence of tokens.

    SA is multi-head self-attention over all positions without mask, P a linear map, GA is :class:`GlobalAttention`, g a
    trained scalar. Up starts at zero, so that a fresh adapter is the identity to the last bit.

    Args:
        width: D of the tokens.
        bottleneck: width between Down and Up.
        heads: of both attentions; divides ``bottleneck``.
        dropout: rate of each dropout and of stochastic depth in GA, while training.
        batch_first: tokens are ``(B, L, D)`` instead of ``(L, B, D)``.

    Raises:
        ValueError: ``heads`` does not divide ``bottleneck``.
    """

    def __init__(
        self,
        width: int,
        bottleneck: int = 128,
        heads: int = 8,
        dropout: float = DROPOUT,
        *,
        batch_first: bool = False,
    ) -> None:
        super().__init__()
        if bottleneck % heads or bottleneck % 2:
            raise ValueError(f"An adapter of width {bottleneck} cannot have {heads} heads; both must divide it evenly.")
        self.batch_first = batch_first
        self.down_proj = nn.Linear(width, bottleneck)
        self.self_attention = nn.MultiheadAttention(bottleneck, heads, batch_first=True)
        self.attention_proj = nn.Linear(bottleneck, bottleneck)
        self.global_attention = GlobalAttention(bottleneck, heads, dropout)
        self.gate = nn.Parameter(torch.tensor(GATE_AT_START))
        self.up_proj = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up_proj.weight)
        nn.init.zeros_(self.up_proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens ``(L, B, D)``, or ``(B, L, D)`` if ``batch_first``, to tokens of the same shape."""
        tokens = x if self.batch_first else x.transpose(0, 1)
        h = nn.functional.gelu(self.down_proj(tokens))  # (B, L, bottleneck)
        h = self.attention_proj(self.self_attention(h, h, h, need_weights=False)[0])
        h = self.global_attention(h.transpose(1, 2)).transpose(1, 2)
        change: Tensor = self.up_proj(torch.sigmoid(self.gate) * h)
        return x + (change if self.batch_first else change.transpose(0, 1))


class GlobalAttention(nn.Module):
    """GA: two residual steps on ``(B, C, L)``, attention over positions and then a convolutional MLP.

    ``x = x + drop_path(attn(x)); x = x + drop_path(mlp(x))``; a whole sample's step is dropped, and the others are
    divided by the share that is kept.
    """

    def __init__(self, width: int, heads: int, dropout: float = DROPOUT) -> None:
        super().__init__()
        self.attn = PositionAttention(width, heads, dropout)
        self.mlp = ConvMlp(width, dropout)
        self.drop_path = DropPath(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, L)`` to the same shape."""
        attended: Tensor = x + self.drop_path(self.attn(x))
        out: Tensor = attended + self.drop_path(self.mlp(attended))
        return out


class PositionAttention(nn.Module):
    """``LayerNorm_out(t + dropout(MHA(n, n, n)))`` with ``n = LayerNorm_in(t) + PE``, t the transpose of the input."""

    def __init__(self, width: int, heads: int, dropout: float = DROPOUT) -> None:
        super().__init__()
        self.attn_in_norm = nn.LayerNorm(width, eps=1e-5)
        self.attn = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, L)`` to the same shape."""
        t = x.transpose(1, 2)  # (B, L, C)
        n = self.attn_in_norm(t)
        n = n + positional_encoding(t.shape[1], t.shape[2], t.device).to(n.dtype)
        o = self.attn(n, n, n, need_weights=False)[0]
        out: Tensor = self.norm(t + self.dropout(o))
        return out.transpose(1, 2)


class ConvMlp(nn.Module):
    """1x1 convolution to twice the width, depthwise convolution over 5 positions, ReLU, 1x1 convolution back."""

    def __init__(self, width: int, dropout: float = DROPOUT) -> None:
        super().__init__()
        hidden = 2 * width
        self.fc1 = nn.Sequential(OrderedDict(conv=nn.Conv1d(width, hidden, 1, bias=False)))
        self.dwconv = nn.Conv1d(hidden, hidden, _KERNEL, padding=_KERNEL // 2, groups=hidden)
        self.fc2 = nn.Sequential(OrderedDict(conv=nn.Conv1d(hidden, width, 1, bias=False)))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, L)`` to the same shape."""
        hidden = self.dropout(torch.relu(self.dwconv(self.fc1(x))))
        out: Tensor = self.dropout(self.fc2(hidden))
        return out


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016, arXiv 1603.09382), per sample: the first axis."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """``(B, ...)`` to the same shape; untouched outside training."""
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        kept = torch.rand((len(x), *[1] * (x.ndim - 1)), device=x.device) < keep
        return x * kept.to(x.dtype) / keep


@lru_cache(maxsize=16)
def positional_encoding(length: int, width: int, device: torch.device) -> Tensor:
    """Sinusoids ``(length, width)`` float32: sin(p · 10000^(−2i / width)) in column 2i, cos of the same in 2i + 1.

    Made once for each length and device, and not kept in checkpoints: released ones carry 10,000 rows in every block.
    """
    # A tensor made in inference mode could not be used in training afterwards.
    with torch.inference_mode(False), torch.no_grad():
        rates = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10000.0) / width))
        angles = torch.arange(length, device=device)[:, None] * rates  # (length, width / 2)
        return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
