"""PriorCLIP in the open domain (arXiv 2405.10160): the prior enters a vision transformer as an instruction token.

open_clip is used as published. The instruction becomes a child of the tower's pre-norm, whose forward hook applies it
to the sequence that the norm returns, ``(B, 1 + N, D)``, class token first. open_clip has the batch first there in each
version that this project takes; a transformer that works sequence first turns the tokens itself, after the hook. So
one hook serves both layouts, and every way through the blocks (plain, intermediates, gradient checkpoints).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from open_clip.model import CLIP
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import normalize

from engine.errors import ModelError

INSTRUCTION = "instruction"
TOKENS_BEFORE_PATCHES = 2  # y and the class token
_SPREAD = 0.02  # of the fresh map's weights
# Not an attribute of the tower: several threads may pass it at once, each with the priors of its own images.
_PRIOR: ContextVar[Tensor | None] = ContextVar("prior", default=None)


class PriorInstruction(nn.Module):
    """The prior as the token y that a vision transformer reads its other tokens by; see :func:`instruct`.

    ``y = Linear(prior)``. Where the source is silent, a fresh map starts at the tower's own class token as it leaves
    the pre-norm (bias), to which the prior adds little at first (weights of deviation 0.02): position 0, which is
    pooled, begins as what the trained tower knows there, and not as noise.

    Args:
        prior_width: P, width of the prior.
        start: the token to start at, ``(D,)``.
    """

    def __init__(self, prior_width: int, start: Tensor) -> None:
        super().__init__()
        self.map = nn.Linear(prior_width, len(start))
        nn.init.normal_(self.map.weight, std=_SPREAD)
        with torch.no_grad():
            self.map.bias.copy_(start)

    def forward(self, tokens: Tensor, prior: Tensor) -> Tensor:
        """Tokens ``(B, L, D)`` and priors ``(B, P)`` to the instructed sequence ``(B, 1 + L, D)``."""
        return instruct(tokens, self.map(prior))


def instruct(tokens: Tensor, y: Tensor) -> Tensor:
    """The sequence ``[y, x']`` of PriorCLIP's open domain.

    ``belief = softmax(x · y)`` over all tokens, class token included, without a scale; ``order`` = the tokens' indices
    by belief, highest first (equal ones in their own order); ``w = 1 / √(order + 1)``; ``x' = x · belief + x · w``,
    divided by its norm along the token axis, so that each channel has unit length over the sequence.

    ``w`` is taken position by position as released: the token at position l is weighted by the index that stands at
    place l of the order, not by its own rank. No gradient passes the order.

    Args:
        tokens: x, ``(B, L, D)``, as they leave the pre-norm.
        y: the instruction, ``(B, D)``.

    Returns:
        ``(B, 1 + L, D)`` in the type of ``tokens``; computed in float32 or wider, since the sums run over D.
    """
    with torch.autocast(tokens.device.type, enabled=False):
        wide = torch.promote_types(tokens.dtype, torch.float32)
        x, y = tokens.to(wide), y.to(wide)
        belief = (x @ y.unsqueeze(2)).squeeze(2).softmax(1)  # (B, L)
        order = torch.sort(belief, dim=1, descending=True, stable=True).indices  # (B, L)
        weight = (order + 1).to(wide).rsqrt()
        x = normalize(x * belief.unsqueeze(2) + x * weight.unsqueeze(2), dim=1)
        return torch.cat([y.unsqueeze(1), x], 1).to(tokens.dtype)


def attach_instruction(visual: Any, prior_width: int) -> PriorInstruction:
    """Makes a fresh instruction part of an open_clip image tower that :func:`require_tower` lets pass.

    Without a prior, see :func:`given_prior`, the tower stays as it is to the last bit.

    Args:
        visual: the tower, ``clip.visual``.
        prior_width: P.

    Returns:
        The instruction; its weights are in the tower's state as ``ln_pre.instruction.…``.
    """
    with torch.no_grad():
        start = visual.ln_pre(visual.class_embedding + visual.positional_embedding[0])
    instruction = PriorInstruction(prior_width, start).to(start.device)
    visual.ln_pre.add_module(INSTRUCTION, instruction)
    # A plain function that finds the instruction in the norm it is called with: copies of the tower keep their own.
    visual.ln_pre.register_forward_hook(_apply_instruction)
    return instruction


@contextmanager
def given_prior(prior: Tensor) -> Iterator[None]:
    """Within it, towers with an instruction read their images by these priors ``(B, P)``."""
    token = _PRIOR.set(prior)
    try:
        yield
    finally:
        _PRIOR.reset(token)


def is_instruction_key(name: str) -> bool:
    """Whether an entry of a state dict belongs to an instruction."""
    return f".{INSTRUCTION}." in name


def require_tower(clip: nn.Module, architecture: str = "This model") -> None:
    """Refuses what an instruction cannot be attached to.

    Raises:
        ModelError: ``clip`` is none of CLIP's dual encoders with a ViT that pools its first token, or has an
            instruction already.
    """
    fits = (
        isinstance(clip, CLIP)
        and isinstance(clip.visual, VisionTransformer)
        and clip.visual.attn_pool is None
        and clip.visual.pool_type == "tok"
        and not clip.visual.output_tokens
        and isinstance(clip.visual.proj, Tensor)
        and isinstance(clip.text_projection, Tensor)
    )
    if not fits:
        raise ModelError(
            f"{architecture} is no CLIP whose image tower is a ViT that pools its first token, as PriorCLIP needs.",
            "Choose a backbone such as ViT-B-32-quickgelu.",
        )
    if any(is_instruction_key(name) for name in clip.state_dict()):
        raise ModelError("This CLIP has an instruction already.", "Give the model as open_clip builds it.")


def _apply_instruction(norm: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
    prior = _PRIOR.get()
    if prior is None:
        return None  # PyTorch keeps the output as it is
    instructed: Tensor = getattr(norm, INSTRUCTION)(output, prior)
    return instructed
