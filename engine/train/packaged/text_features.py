"""Features of a text tower that does not change: each text is computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from engine.models.compact.text_tower import TextTower
from engine.models.compact.tokenizer import tokenize

TEXTS_AT_ONCE = 256


class TextFeatures:
    """Features ``(T, D)`` of T texts, float32 on the tower's device, without dropout and without gradient.

    Args:
        tower: must stay as it is.
        tokenizer: of its vocabulary.
    """

    def __init__(self, tower: TextTower, tokenizer: Tokenizer) -> None:
        self.tower, self.tokenizer = tower, tokenizer
        self.known: dict[str, Tensor] = {}

    def __call__(self, texts: Sequence[str]) -> Tensor:
        new = sorted({text for text in texts if text not in self.known}, key=len)  # of like length in one call
        for start in range(0, len(new), TEXTS_AT_ONCE):
            part = new[start : start + TEXTS_AT_ONCE]
            self.known.update(zip(part, text_features(self.tower, self.tokenizer, part), strict=True))
        return torch.stack([self.known[text] for text in texts])

    def save(self, file: Path) -> None:
        """Keeps what is known, in half precision, for a tower and a vocabulary that are the same then."""
        features = torch.stack(list(self.known.values())) if self.known else torch.zeros(0, 1)
        content = {"texts": list(self.known), "features": features.half().cpu(), "spelling": self._spelling()}
        torch.save(content, file)

    def load(self, file: Path) -> None:
        """Takes what was kept; nothing where there is no file, or one of another vocabulary."""
        if not file.is_file():
            return
        content = torch.load(file, map_location=next(self.tower.parameters()).device, weights_only=True)
        if content["spelling"] == self._spelling():
            self.known.update(zip(content["texts"], content["features"].float(), strict=True))

    def _spelling(self) -> str:
        return hashlib.sha256(self.tokenizer.to_str().encode()).hexdigest()


@torch.no_grad()
def text_features(tower: TextTower, tokenizer: Tokenizer, texts: Sequence[str]) -> Tensor:
    """Features ``(T, D)`` of T texts in one call, without dropout; leaves the tower in the mode that it was in."""
    device = next(tower.parameters()).device
    training = tower.training
    tower.eval()
    ids, mask = tokenize(tokenizer, texts)
    features: Tensor = tower(ids.to(device), mask.to(device))
    tower.train(training)
    return features
