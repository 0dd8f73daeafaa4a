"""Which texts of a batch are right for which image, and how right: targets softer than "its own and no other".

RSICD says nearly the same of many images ("some green trees are around a building with several cars"). Such a text is
no error for the image beside it, and to train against it teaches the towers to know their images by heart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from engine.train.losses import same_group


def canonical(text: str) -> str:
    """A text's words alone: capitals, full stops and spaces make no other text of it."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


class Likeness:
    """How alike texts are.

    Args:
        features: for T texts, their sentence embeddings ``(T, D)`` from the published, untrained text tower; asked
            only where ``width`` is not 0.
        width: texts of cosine c count as ``exp((c - 1) / width)`` of the same text; 0: only the same words count.
    """

    def __init__(self, features: Callable[[Sequence[str]], Tensor], width: float) -> None:
        self.features = features
        self.width = width

    def between(self, texts: Sequence[str], others: Sequence[str]) -> Tensor:
        """float32 ``(T, U)`` in 0..1, on the CPU: how much each text is the same as each of the others."""
        place: dict[str, int] = {}
        mine, theirs = (
            torch.tensor([place.setdefault(canonical(text), len(place)) for text in part], dtype=torch.int64)
            for part in (texts, others)
        )
        alike = same_group(mine, theirs).to(torch.float32)
        if self.width:
            both = normalize(self.features([*texts, *others]).cpu(), dim=1)
            cosines = both[: len(texts)] @ both[len(texts) :].T
            alike = alike.maximum(((cosines - 1) / self.width).exp())
        return alike

    def positives(
        self, texts: Sequence[str], owners: Tensor, count: int, others: Sequence[str] | None = None
    ) -> Tensor:
        """float32 ``(count, U)`` in 0..1: how right each text is for each image, by the most alike of its own.

        Args:
            texts: T texts.
            owners: int64 ``(T,)``, the image in 0..count-1 that each was sampled for.
            count: images.
            others: U texts that are judged; None: the same texts, U is T.
        """
        alike = self.between(texts, texts if others is None else others)
        return torch.stack([alike[owners == image].amax(0) for image in range(count)])
