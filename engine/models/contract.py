"""The contract that every retrieval model fulfils (docs/architecture.md).

All embeddings are float32, L2-normalised, on the CPU or the model's device as torch tensors; a score is a dot product,
in [-1, 1] with a text's embedding. What a search scores with may be a difference of texts (engine/search/query.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.types import TextEnum, UInt8Array


class ScoreMode(TextEnum):
    """How region embeddings enter a score (MPS-CLIP, arXiv 2601.18190, section 3)."""

    GLOBAL = "global"
    FUSED = "fused"
    MAX_VIEW = "max_view"


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What an embedding depends on: part of the index key.

    ``weights`` is the sha256 of the weight file (hex); ``preprocessing`` describes size, mean and deviation.
    """

    model_id: str
    architecture: str
    weights: str
    preprocessing: str

    @property
    def key(self) -> str:
        return "|".join((self.architecture, self.weights, self.preprocessing))


class RetrievalModel(ABC):
    """A dual encoder for tiles and words.

    Images enter as float32 ``(B, 3, H, W)`` tensors made by :meth:`preprocess`; H = W = :attr:`image_size`.

    ``text_reading`` names what embeddings of texts depend on beside ``identity``; empty: nothing.
    """

    identity: ModelIdentity
    image_size: int
    embed_dim: int
    device: torch.device
    text_reading: str = ""
    default_mode: ScoreMode = ScoreMode.GLOBAL
    score_modes: tuple[ScoreMode, ...] = (ScoreMode.GLOBAL, ScoreMode.FUSED)

    @abstractmethod
    def preprocess(self, images: UInt8Array | Tensor) -> Tensor:
        """uint8 RGB ``(B, H, W, 3)`` of any side to the model's input ``(B, 3, image_size, image_size)`` float32."""

    @abstractmethod
    def encode_images(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to ``(B, E)``, one global embedding an image."""

    @abstractmethod
    def encode_patches(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to ``(B, h, w, E)``, one embedding a patch, comparable with text embeddings."""

    @abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts to ``(B, E)``."""

    def words_read_as(self, text: str) -> dict[str, tuple[str, ...]]:
        """Words of a text that the model was not taught, and the known ones that :meth:`encode_texts` takes for them,
        the nearest first.
        """
        return {}

    def encode_regions(self, regions: Tensor, mask: Tensor) -> Tensor:
        """Subimages ``(B, n, 3, H, W)`` with validity ``(B, n)`` bool to ``(B, n, E)``; invalid rows are zero."""
        out = torch.zeros((*mask.shape, self.embed_dim), device=self.device)
        valid = mask.to(self.device, torch.bool)
        if bool(valid.any()):
            out[valid] = self.encode_images(regions[mask.to(regions.device, torch.bool)])
        return out

    def score(
        self,
        images: Tensor,
        texts: Tensor,
        regions: Tensor | None = None,
        mask: Tensor | None = None,
        mode: ScoreMode = ScoreMode.GLOBAL,
    ) -> Tensor:
        """Scores ``(B, Q)`` of image embeddings ``(B, E)`` against text embeddings ``(Q, E)``.

        ``fused``: normalise(0.5 * (global + normalised mean of the valid regions)) . text, as released with MPS-CLIP.
        ``max_view``: 0.5 * (global . text) + 0.5 * the best of the perspectives' scores. Without a valid region both
        are the global score. ``regions`` is ``(B, n, E)``, ``mask`` ``(B, n)``.

        Raises:
            ValueError: for a mode that :attr:`score_modes` does not name.
        """
        if mode not in self.score_modes:
            raise ValueError(f"{self.identity.model_id} has no perspective heads: mode {mode} is not available")
        whole = images @ texts.T
        if mode is ScoreMode.GLOBAL or regions is None or mask is None:
            return whole
        region_feature = region_mean(regions, mask)
        if mode is ScoreMode.FUSED:
            return fuse(images, region_feature) @ texts.T
        best = (self.region_views(region_feature) @ texts.T).amax(0)  # (K, B, Q) to (B, Q)
        has_region = mask.to(whole.device, torch.bool).any(1, keepdim=True)  # (B, 1)
        return torch.where(has_region, 0.5 * (whole + best), whole)

    def region_views(self, region_feature: Tensor) -> Tensor:
        """Region features ``(B, E)`` to the views ``(K, B, E)`` of the model's perspective heads.

        Raises:
            ValueError: it has none.
        """
        raise ValueError(f"{self.identity.model_id} has no perspective heads")


def region_mean(regions: Tensor, mask: Tensor) -> Tensor:
    """Mean of the valid region embeddings ``(B, n, E)``, normalised: ``(B, E)``; zero where none is valid."""
    weights = mask.to(regions).unsqueeze(-1)  # (B, n, 1)
    mean = (regions * weights).sum(1) / weights.sum(1).clamp_min(1.0)
    return torch.nn.functional.normalize(mean, dim=-1)


def fuse(images: Tensor, region_feature: Tensor) -> Tensor:
    """normalise(0.5 * (global + region feature)), both ``(B, E)`` (MPS-CLIP, inference as released)."""
    return torch.nn.functional.normalize(0.5 * (images + region_feature), dim=-1)
