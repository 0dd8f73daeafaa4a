"""PriorCLIP, closed domain (arXiv 2405.10160): all that is trained on top of two towers and a scene classifier."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from engine.models.checkpoint import StateDict, require_fit
from engine.models.prior_clip.layers import DROPOUT, HEADS
from engine.models.prior_clip.spatial_pae import FILTER_SIZE, LAYERS, SpatialPAE
from engine.models.prior_clip.temporal_pae import CYCLE_STEPS, TemporalPAE

TEMPERATURE = 0.07
# Modules of this project that released checkpoints do not have; what is in them stands there without a prefix.
_OWN = ("spatial.", "temporal.")


class PriorPAE(nn.Module):
    """Projections of both towers' tokens and of the prior, Spatial-PAE, Temporal-PAE, and two temperatures.

    Args:
        vision_width: of the image tower's tokens.
        text_width: of the text tower's tokens.
        prior_width: of the scene classifier's features.
        embed_dim: E, the shared width.
        filter_size: see :class:`SpatialPAE`.
        layers: likewise.
        cycle_steps: see :class:`TemporalPAE`.
        heads: of all attentions.
        dropout: likewise.
        temperature: at which both temperatures start: ``temp`` of the contrastive, ``temp2`` of the attribution loss.

    Raises:
        ValueError: ``heads`` does not divide ``embed_dim``.
    """

    def __init__(
        self,
        vision_width: int,
        text_width: int,
        prior_width: int,
        embed_dim: int = 512,
        *,
        filter_size: int = FILTER_SIZE,
        layers: int = LAYERS,
        cycle_steps: int = CYCLE_STEPS,
        heads: int = HEADS,
        dropout: float = DROPOUT,
        temperature: float = TEMPERATURE,
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.vision_proj = nn.Linear(vision_width, embed_dim)
        self.text_proj = nn.Linear(text_width, embed_dim)
        self.conv_proj = nn.Linear(prior_width, embed_dim)
        self.spatial = SpatialPAE(embed_dim, filter_size, layers, heads, dropout)
        self.temporal = TemporalPAE(embed_dim, cycle_steps, heads, dropout)
        self.temp = nn.Parameter(torch.tensor(float(temperature)))
        self.temp2 = nn.Parameter(torch.tensor(float(temperature)))

    def embed_images(self, tokens: Tensor, prior: Tensor) -> Tensor:
        """The image tower's tokens and the classifier's features to embeddings.

        Args:
            tokens: ``(B, 1 + N, vision_width)``, position 0 the global one.
            prior: ``(B, prior_width)``.

        Returns:
            ``(B, E)`` float32, unit length.
        """
        out: Tensor = self.spatial(self.vision_proj(tokens), self.conv_proj(prior))
        return out

    def embed_texts(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """The text tower's tokens to embeddings.

        Args:
            tokens: ``(B, L, text_width)``, position 0 the global one.
            mask: bool ``(B, L)``, True for a token; None: all are tokens.

        Returns:
            ``(B, E)`` float32, unit length.
        """
        out: Tensor = self.temporal(self.text_proj(tokens), mask)
        return out

    def released_state_dict(self) -> StateDict:
        """Everything, under the names of released checkpoints."""
        return {_released_name(name): value for name, value in self.state_dict().items()}

    def load_released_state_dict(self, state: StateDict, path: Path) -> None:
        """Loads weights by their released names, strictly.

        Args:
            state: all tensors; the temperatures as numbers or as vectors of one.
            path: where they come from, for messages.

        Raises:
            ModelError: one is missing, unexpected or of another shape; the message names it.
        """
        expected = self.released_state_dict()
        fitted = {
            name: value.reshape(()) if name in ("temp", "temp2") and value.numel() == 1 else value
            for name, value in state.items()
        }
        require_fit(expected, fitted, path)
        self.load_state_dict({name: fitted[_released_name(name)] for name in self.state_dict()})


def _released_name(name: str) -> str:
    for prefix in _OWN:
        name = name.removeprefix(prefix)
    return name
