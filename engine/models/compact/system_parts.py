"""What a retrieval system of the papers adds to a compact backbone, as sizes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SystemParts:
    """Parts of :class:`engine.models.compact.system.CompactSystem`; by default none: two towers and two linear heads.

    Attributes:
        token_blocks: transformer blocks on the image tower's tokens, which carry the G²A adapters (MPS-CLIP).
        token_width: their width, a multiple of 8.
        adapter_bottleneck: of the G²A adapter after each block, and of the text's; 0: blocks without adapters.
        text_blocks: G²A adapters on the text tower's token states.
        views: perspectives of the MPR heads (MPS-CLIP); used in training, and in scores with regions.
        spatial_pae: Spatial-PAE on the image's tokens, instructed by the scene prior (PriorCLIP).
        temporal_pae: Temporal-PAE on the text's token states (PriorCLIP).
        pae_width: width at which both work, a multiple of 8.
        prior_width: of the scene classifier's features.
        scenes: that the classifier tells apart; above 0 with ``spatial_pae``.
        dapn: dual-attention perception on the image's tokens (OSDPM).
        dapn_reduction: by which its channel attention is narrower than the tokens.
    """

    token_blocks: int = 0
    token_width: int = 128
    adapter_bottleneck: int = 64
    text_blocks: int = 0
    views: int = 0
    spatial_pae: bool = False
    temporal_pae: bool = False
    pae_width: int = 112
    prior_width: int = 128
    scenes: int = 0
    dapn: bool = False
    dapn_reduction: int = 16
