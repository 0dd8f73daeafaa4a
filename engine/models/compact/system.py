"""One compact backbone, and on it the parts of MPS-CLIP, PriorCLIP and OSDPM, singly or together.

What enters are the tokens of two towers, so that the towers may be trained, frozen, or not there at all (their tokens
kept from before). Every part starts as the identity: a fresh system embeds as its two heads alone would. In what comes
out, parts meet in this order:

- Image: token blocks with G²A, then DAPN, change the tokens, and the heads project their mean (DAPN: its feature).
  Spatial-PAE reads the same tokens at a width of its own, and what it finds is added to that embedding.
- Text: G²A adapters change the token states, the head projects their mean, and what Temporal-PAE finds is added.

The papers' PAEs have V_0 and T_0, the global tokens of a ViT and of CLIP's text tower, in position 0; the towers here
have none, and the mean of the tokens stands there. Beliefs and cycles then run at ``pae_width``, and a linear map
brings their result to the shared space, where the paper works in the shared space itself: at its width of 512 the two
PAEs alone would have more parameters than both towers.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from engine.models.compact.image_tower import FEATURES
from engine.models.compact.system_parts import SystemParts
from engine.models.compact.token_blocks import HEADS, TokenBlocks
from engine.models.mps_clip.g2_adapter import G2Adapter
from engine.models.mps_clip.mpr import PerspectiveHeads
from engine.models.osdpm.dapn import DAPN
from engine.models.prior_clip.scene_prior import ScenePrior
from engine.models.prior_clip.spatial_pae import SpatialPAE
from engine.models.prior_clip.temporal_pae import TemporalPAE

INITIAL_LOGIT_SCALE = 20.0
TEXT_WIDTH = 384
ADAPTED_POSITIONS = 32  # G²A sees padding too, as in MPS-CLIP, so all texts have one length there; further ones pass by
FILTERED = 0.8  # share of the tokens that Spatial-PAE keeps: 40 of 50 in the paper


class Perceived(NamedTuple):
    """An image after its tokens were changed: ``feature`` ``(B, C)`` of the whole, ``map`` ``(B, C, h, w)``."""

    feature: Tensor
    map: Tensor


class CompactSystem(nn.Module):
    """Tokens of two towers to embeddings of width E; those are L2-normalised float32.

    ``precision`` is what the parts compute in; the heads always compute in float32.

    Args:
        parts: what there is beside the heads.
        embed_dim: E.
        text_width: D of the text tower's states.
        channels: C of the image tower's tokens.
        grid: tokens of an image, from which Spatial-PAE's filter size follows.
        feature_dropout: on the pooled features that enter the heads, in training only.
    """

    def __init__(
        self,
        parts: SystemParts,
        embed_dim: int = 512,
        text_width: int = TEXT_WIDTH,
        channels: int = FEATURES,
        grid: int = 36,
        feature_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.parts, self.embed_dim, self.precision = parts, embed_dim, torch.float32
        self.feature_dropout = nn.Dropout(feature_dropout)
        self.image_head = nn.Linear(channels, embed_dim)
        self.text_head = nn.Linear(text_width, embed_dim)
        self.log_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE).log())
        if parts.token_blocks:
            self.token_blocks = TokenBlocks(channels, parts.token_width, parts.token_blocks, parts.adapter_bottleneck)
        if parts.text_blocks and parts.adapter_bottleneck:
            self.text_blocks = nn.ModuleList(
                G2Adapter(text_width, parts.adapter_bottleneck, HEADS, batch_first=True)
                for _ in range(parts.text_blocks)
            )
        if parts.views:
            self.mpr_head = PerspectiveHeads(embed_dim, parts.views)
        if parts.dapn:
            self.dapn = DAPN(channels, parts.dapn_reduction)
        if parts.spatial_pae:
            self.scene_prior = ScenePrior(channels, parts.prior_width, parts.scenes).requires_grad_(False)
            self.spatial_down = nn.Linear(channels, parts.pae_width)
            self.prior_proj = nn.Linear(parts.prior_width, parts.pae_width)
            self.spatial_pae = SpatialPAE(parts.pae_width, round(FILTERED * (1 + grid)))
            self.spatial_up = nn.Linear(parts.pae_width, embed_dim, bias=False)
        if parts.temporal_pae:
            self.temporal_down = nn.Linear(text_width, parts.pae_width)
            self.temporal_pae = TemporalPAE(parts.pae_width)
            self.temporal_up = nn.Linear(parts.pae_width, embed_dim, bias=False)

    @property
    def scale(self) -> Tensor:
        """Of similarities in contrastive terms, at most 100."""
        return self.log_scale.exp().clamp(max=100.0)

    def perceive(self, tokens: Tensor) -> Perceived:
        """Token map ``(B, C, h, w)`` of the image tower to what the parts make of it."""
        with self._fast(tokens):
            if self.parts.token_blocks:
                tokens = self.token_blocks(tokens)
            if not self.parts.dapn:
                return Perceived(tokens.float().mean((2, 3)), tokens.float())
            seen = self.dapn(tokens)
        return Perceived(seen.feature.float(), seen.map.float())

    def prior(self, pooled: Tensor) -> Tensor:
        """Pooled features ``(B, C)`` of the tower on which the scene classifier was trained to the prior ``(B, P)``.

        The classifier stays as it is, without dropout and gradient.
        """
        with torch.no_grad():
            self.scene_prior.eval()
            prior: Tensor = self.scene_prior(pooled)[0]
        return prior

    def pool(self, seen: Perceived, prior: Tensor | None = None) -> Tensor:
        """What was perceived, and with Spatial-PAE the scene prior ``(B, P)``, to the image's embedding ``(B, E)``."""
        whole = normalize(self.image_head(self.feature_dropout(seen.feature)), dim=-1)
        if not self.parts.spatial_pae:
            return whole
        if prior is None:
            raise ValueError("Spatial-PAE needs the scene prior")
        with self._fast(whole):
            sequence = torch.cat([seen.feature[:, None], seen.map.flatten(2).transpose(1, 2)], 1)  # (B, 1 + N, C)
            change = self.spatial_pae.change(self.spatial_down(sequence), self.prior_proj(prior))
        return normalize(whole + self.spatial_up(change.float()), dim=-1)

    def embed_images(self, tokens: Tensor, pooled: Tensor | None = None) -> Tensor:
        """Token map ``(B, C, h, w)`` to ``(B, E)``.

        ``pooled`` ``(B, C)``: features for the scene prior, where they are not the mean of ``tokens``.
        """
        prior = None
        if self.parts.spatial_pae:
            prior = self.prior(tokens.float().mean((2, 3)) if pooled is None else pooled)
        return self.pool(self.perceive(tokens), prior)

    def project(self, seen: Perceived, context: float = 0.0) -> Tensor:
        """Embeddings of the single tokens ``(B, h, w, E)``, with this share of the image's mean mixed into each.

        Spatial-PAE has no part in them: it answers once for the whole image.
        """
        tokens = torch.lerp(seen.map, seen.map.mean((2, 3), keepdim=True), context) if context else seen.map
        return normalize(self.image_head(tokens.permute(0, 2, 3, 1)), dim=-1)

    def embed_tokens(self, tokens: Tensor, context: float = 0.0) -> Tensor:
        """Token map ``(B, C, h, w)`` to ``(B, h, w, E)``; see :meth:`project`."""
        return self.project(self.perceive(tokens), context)

    def embed_texts(self, states: Tensor, mask: Tensor) -> Tensor:
        """Token states ``(B, L, D)`` and mask ``(B, L)`` (True: a token) to ``(B, E)``; padding does not count."""
        with self._fast(states):
            if self.parts.text_blocks and self.parts.adapter_bottleneck:
                adapted = one_length(states, mask)
                for adapter in self.text_blocks:
                    adapted = adapter(adapted)
                states = torch.cat([adapted[:, : states.shape[1]], states[:, ADAPTED_POSITIONS:]], 1)
        states = states.float()
        weights = mask.to(states).unsqueeze(-1)
        mean = (states * weights).sum(1) / weights.sum(1).clamp_min(1.0)
        whole = normalize(self.text_head(self.feature_dropout(mean)), dim=-1)
        if not self.parts.temporal_pae:
            return whole
        with self._fast(whole):
            sequence = self.temporal_down(torch.cat([mean[:, None], states], 1))  # (B, 1 + L, W)
            change = self.temporal_pae.change(sequence, pad(mask, (1, 0), value=True))
        return normalize(whole + self.temporal_up(change.float()), dim=-1)

    def views(self, region_feature: Tensor) -> Tensor:
        """Region features ``(B, E)`` to the views ``(K, B, E)`` of the MPR heads, which the system must have."""
        views: Tensor = self.mpr_head(region_feature)
        return views

    def _fast(self, like: Tensor) -> torch.autocast:
        kind = like.device.type
        return torch.autocast(kind, self.precision, enabled=self.precision is not torch.float32)


def one_length(states: Tensor, mask: Tensor, length: int = ADAPTED_POSITIONS) -> Tensor:
    """The first ``length`` of the states ``(B, L, D)``, zeros where ``mask`` ``(B, L)`` has no token or nothing is.

    So a text comes out the same whichever others it shares a call with.
    """
    kept = states[:, :length] * mask[:, :length, None]
    return pad(kept, (0, 0, 0, length - kept.shape[1]))
