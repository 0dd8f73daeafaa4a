"""The trainable network of the packaged model: two towers and a linear head each into the shared space."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from engine.models.compact.image_tower import FEATURES, ImageTower
from engine.models.compact.text_tower import TextTower, TextTowerConfig

INITIAL_LOGIT_SCALE = 20.0


class DualEncoder(nn.Module):
    """Image and text towers with linear heads to width E; all outputs are L2-normalised.

    ``feature_dropout`` acts on pooled image features, in training only.
    """

    def __init__(self, text: TextTowerConfig, embed_dim: int = 512, feature_dropout: float = 0.0) -> None:
        super().__init__()
        self.image_tower = ImageTower()
        self.text_tower = TextTower(text)
        self.feature_dropout = nn.Dropout(feature_dropout)
        self.image_head = nn.Linear(FEATURES, embed_dim)
        self.text_head = nn.Linear(text.width, embed_dim)
        self.log_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE).log())

    def embed_images(self, images: Tensor) -> Tensor:
        """Normalised pixels ``(B, 3, H, W)`` to ``(B, E)``."""
        return self.pool(self.image_tower(images))

    def embed_tokens(self, images: Tensor) -> Tensor:
        """Normalised pixels ``(B, 3, H, W)`` to ``(B, h, w, E)``, each token by itself."""
        return self.project(self.image_tower(images))

    def pool(self, tokens: Tensor) -> Tensor:
        """Token map ``(B, C, h, w)`` to the image's embedding ``(B, E)``."""
        return normalize(self.image_head(self.feature_dropout(tokens.mean((2, 3)))), dim=-1)

    def project(self, tokens: Tensor, context: float = 0.0) -> Tensor:
        """Token map ``(B, C, h, w)`` to embeddings of its tokens ``(B, h, w, E)``.

        ``context`` is the share of the tile's mean that is mixed into each token.
        """
        mixed = torch.lerp(tokens, tokens.mean((2, 3), keepdim=True), context) if context else tokens
        return normalize(self.image_head(mixed.permute(0, 2, 3, 1)), dim=-1)

    def embed_texts(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids and mask ``(B, L)`` to ``(B, E)``."""
        return normalize(self.text_head(self.text_tower(ids, mask)), dim=-1)
