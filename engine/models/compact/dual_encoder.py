"""The trainable network of the packaged model: two towers and a linear head each into the shared space.

Parts of MPS-CLIP may be added (:class:`CompactParts`); without them the network is that of the first weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from engine.models.compact.hubs import HubTerm
from engine.models.compact.image_tower import FEATURES, SMALLEST, ImageTower
from engine.models.compact.text_tower import TextTower, TextTowerConfig
from engine.models.compact.token_blocks import TokenBlocks
from engine.models.mps_clip.mpr import PerspectiveHeads

INITIAL_LOGIT_SCALE = 20.0
HUB_PREFIXES = ("image_hubs.", "text_hubs.")
PART_PREFIXES = ("token_blocks.", "mpr_head.")


@dataclass(frozen=True, slots=True)
class CompactParts:
    """Which image tower, and what is added to the two towers and their heads; by default nothing.

    Attributes:
        views: perspectives of the MPR heads; 0: no such heads.
        token_blocks: transformer blocks on the image tower's tokens.
        token_width: their width.
        adapter_bottleneck: of the G²A adapter after each of them; 0: none.
        image_tower: its size, see :class:`ImageTower`.
        hub_centres: of the banks of the hub terms, see :class:`HubTerm`; 0: no such terms.
    """

    views: int = 0
    token_blocks: int = 0
    token_width: int = 192
    adapter_bottleneck: int = 64
    image_tower: str = SMALLEST
    hub_centres: int = 0


class DualEncoder(nn.Module):
    """Image and text towers with linear heads to width E; all outputs are L2-normalised.

    ``feature_dropout`` acts on pooled image features, in training only.
    """

    def __init__(
        self,
        text: TextTowerConfig,
        embed_dim: int = 512,
        feature_dropout: float = 0.0,
        parts: CompactParts = CompactParts(),
    ) -> None:
        super().__init__()
        self.parts = parts
        self.image_tower = ImageTower(parts.image_tower)
        self.text_tower = TextTower(text)
        self.feature_dropout = nn.Dropout(feature_dropout)
        self.image_head = nn.Linear(FEATURES, embed_dim)
        self.text_head = nn.Linear(text.width, embed_dim)
        self.log_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE).log())
        self.token_blocks: nn.Module = nn.Identity()
        if parts.token_blocks:
            self.token_blocks = TokenBlocks(FEATURES, parts.token_width, parts.token_blocks, parts.adapter_bottleneck)
        if parts.views:
            self.mpr_head = PerspectiveHeads(embed_dim, parts.views)
        self.image_hubs: nn.Module = nn.Identity()
        self.text_hubs: nn.Module = nn.Identity()
        if parts.hub_centres:
            self.image_hubs = HubTerm(embed_dim, parts.hub_centres, of_texts=False)
            self.text_hubs = HubTerm(embed_dim, parts.hub_centres, of_texts=True)

    def tokens(self, images: Tensor) -> Tensor:
        """Normalised pixels ``(B, 3, H, W)`` to the token map ``(B, C, h, w)``, h = H / 32, w = W / 32, rounded up."""
        tokens: Tensor = self.token_blocks(self.image_tower(images))
        return tokens

    def embed_images(self, images: Tensor) -> Tensor:
        """Normalised pixels ``(B, 3, H, W)`` to ``(B, E)``."""
        return self.pool(self.tokens(images))

    def embed_tokens(self, images: Tensor) -> Tensor:
        """Normalised pixels ``(B, 3, H, W)`` to ``(B, h, w, E)``, each token by itself."""
        return self.project(self.tokens(images))

    def pool(self, tokens: Tensor) -> Tensor:
        """Token map ``(B, C, h, w)`` to the image's embedding ``(B, E)``."""
        return self._embed_image_features(self.feature_dropout(tokens.mean((2, 3))))

    def project(self, tokens: Tensor, context: float = 0.0) -> Tensor:
        """Token map ``(B, C, h, w)`` to embeddings of its tokens ``(B, h, w, E)``.

        ``context`` is the share of the tile's mean that is mixed into each token.
        """
        mixed = torch.lerp(tokens, tokens.mean((2, 3), keepdim=True), context) if context else tokens
        return self._embed_image_features(mixed.permute(0, 2, 3, 1))

    def _embed_image_features(self, features: Tensor) -> Tensor:
        """Features of the image tower ``(…, C)`` to ``(…, E)``."""
        embeddings: Tensor = self.image_hubs(normalize(self.image_head(features), dim=-1))
        return embeddings

    def embed_texts(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids and mask ``(B, L)`` to ``(B, E)``."""
        return self.embed_text_features(self.text_tower(ids, mask))

    def embed_text_features(self, features: Tensor) -> Tensor:
        """Features of the text tower ``(B, D)`` to ``(B, E)``."""
        embeddings: Tensor = self.text_hubs(normalize(self.text_head(features), dim=-1))
        return embeddings

    def views(self, region_feature: Tensor) -> Tensor:
        """Region features ``(B, E)`` to the views ``(K, B, E)`` of the MPR heads, which the network must have."""
        views: Tensor = self.mpr_head(region_feature)
        return views
