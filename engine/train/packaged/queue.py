"""Embeddings of earlier batches as further negatives (cross-batch memory: Wang et al., arXiv 1912.06798).

The towers change slowly, so that an embedding of a few steps ago still stands near where it would be now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class EmbeddingQueue:
    """The last pairs, the oldest first.

    Attributes:
        images: embeddings ``(Q, E)``, without gradient.
        texts: embeddings ``(Q, E)`` of one text of each.
        wordings: these Q texts.

    Args:
        size: most pairs that are kept.
        embed_dim: E.
        device: where they are kept.
    """

    def __init__(self, size: int, embed_dim: int, device: torch.device) -> None:
        self.size = size
        self.images = torch.zeros(0, embed_dim, device=device)
        self.texts = torch.zeros(0, embed_dim, device=device)
        self.wordings: list[str] = []

    def __len__(self) -> int:
        return len(self.wordings)

    def push(self, images: Tensor, texts: Tensor, wordings: Sequence[str]) -> None:
        """Adds B pairs and lets the oldest go."""
        self.images = torch.cat([self.images, images.detach()])[-self.size :]
        self.texts = torch.cat([self.texts, texts.detach()])[-self.size :]
        self.wordings = [*self.wordings, *wordings][-self.size :]

    def state(self) -> dict[str, Any]:
        """The pairs, for a checkpoint."""
        return {"images": self.images, "texts": self.texts, "wordings": self.wordings}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over the pairs of a checkpoint."""
        self.images, self.texts = (state[name].to(self.images.device) for name in ("images", "texts"))
        self.wordings = list(state["wordings"])
