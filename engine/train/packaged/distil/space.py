"""The space that the student learns: the teachers' joint space in E dimensions, corrected for hubs."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.models.compact.hubs import HUB_DIMENSIONS, with_hub_term

BANK_TEXTS, BANK_IMAGES = 4000, 3000
_ROWS = 4096  # compared with a bank at once


class TargetSpace:
    """Targets of unit length whose cosines are the teachers' cosines less a part of what each side has with everything.

    The teachers' embeddings are projected on the E - 2 directions that hold most of the images and texts together. No
    mean is subtracted, since dot products are what counts. Some images, and some texts, are near to everything: hubs.
    After QB-Norm (Bogolin et al., arXiv 2112.12777), but in the embedding itself, ``strength`` times the log-sum-exp of
    the cosines with a bank of training texts, or images, at ``scale``, less its mean, is subtracted: the last two
    dimensions multiply each side's term by a constant of the other side.

    Args:
        images: teachers' embeddings of the whole training images ``(N, D)``.
        texts: of training texts ``(T, D)``.
        owners: int64 ``(T,)``, the image that a text was said of. An image's own texts do not count as its bank.
        embed_dim: E.
        generator: draws the banks.
    """

    def __init__(
        self,
        images: Tensor,
        texts: Tensor,
        owners: Tensor,
        embed_dim: int,
        strength: float,
        scale: float,
        generator: torch.Generator,
    ) -> None:
        sample = torch.cat([images, texts])
        # Eigenvectors of the D x D moments: the right singular vectors of the sample.
        self._basis = torch.linalg.svd(sample.T @ sample)[0][:, : embed_dim - HUB_DIMENSIONS]  # (D, E - 2)
        self._strength, self._scale = strength, scale
        of_texts = torch.randperm(len(texts), generator=generator)[:BANK_TEXTS]
        of_images = torch.randperm(len(images), generator=generator)[:BANK_IMAGES]
        self._texts, self._text_owners = texts[of_texts], owners[of_texts]
        self._images, self._image_rows = images[of_images], of_images
        self._image_mean = self._image_hub(images, torch.arange(len(images))).mean()
        self._text_mean = self._text_hub(texts, owners).mean()

    def images(self, embeddings: Tensor, rows: Tensor | None = None) -> Tensor:
        """Teachers' embeddings ``(B, D)`` to targets ``(B, E)``; ``rows``: which training images they are."""
        return self._target(embeddings, self._image_hub(embeddings, rows) - self._image_mean, of_texts=False)

    def texts(self, embeddings: Tensor, owners: Tensor | None = None) -> Tensor:
        """Teachers' embeddings ``(B, D)`` to targets ``(B, E)``; ``owners``: of which training images, -1: of none."""
        return self._target(embeddings, self._text_hub(embeddings, owners) - self._text_mean, of_texts=True)

    def _target(self, embeddings: Tensor, hub: Tensor, of_texts: bool) -> Tensor:
        return with_hub_term(embeddings @ self._basis, self._strength * hub, of_texts)

    def _image_hub(self, embeddings: Tensor, rows: Tensor | None) -> Tensor:
        return self._hub(embeddings, rows, self._texts, self._text_owners)

    def _text_hub(self, embeddings: Tensor, owners: Tensor | None) -> Tensor:
        return self._hub(embeddings, owners, self._images, self._image_rows)

    def _hub(self, embeddings: Tensor, own: Tensor | None, bank: Tensor, bank_own: Tensor) -> Tensor:
        """log-sum-exp of the cosines with a bank ``(B,)``, less those entries that belong to the same image."""
        parts = []
        for start in range(0, len(embeddings), _ROWS):
            logits = self._scale * embeddings[start : start + _ROWS] @ bank.T
            if own is not None:
                logits = logits.masked_fill(own[start : start + _ROWS, None] == bank_own, float("-inf"))
            parts.append(logits.logsumexp(1) / self._scale)
        return torch.cat(parts)
