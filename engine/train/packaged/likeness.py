"""Which texts of a batch are right for which image, and how right: targets softer than "its own and no other".

RSICD says nearly the same of many images ("some green trees are around a building with several cars"). Such a text is
no error for the image beside it, and to train against it teaches the towers to know their images by heart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

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
        features: by text, its sentence embedding ``(D,)`` from the published, untrained text tower.
        width: texts of cosine c count as ``exp((c - 1) / width)`` of the same text; 0: only the same words count.
    """

    def __init__(self, features: Mapping[str, Tensor], width: float) -> None:
        self.features = {text: normalize(vector, dim=0) for text, vector in features.items()} if width else {}
        self.width = width

    def positives(self, texts: Sequence[str], owners: Tensor, count: int) -> Tensor:
        """float32 ``(count, T)`` in 0..1: how right each text is for each image, by the most alike of its own.

        Args:
            texts: T texts.
            owners: int64 ``(T,)``, the image in 0..count-1 that each was sampled for.
        """
        names = [canonical(text) for text in texts]
        place = {name: i for i, name in enumerate(dict.fromkeys(names))}
        groups = torch.tensor([place[name] for name in names])
        alike = same_group(groups, groups).to(torch.float32)  # (T, T)
        if self.width:
            features = torch.stack([self.features[text] for text in texts])
            alike = alike.maximum(((features @ features.T - 1) / self.width).exp())
        # Each image takes the most alike of its own texts.
        return torch.stack([alike[owners == image].amax(0) for image in range(count)])
