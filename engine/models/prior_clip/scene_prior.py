"""The prior of PriorCLIP (arXiv 2405.10160): features of a classifier that was trained to name the scene of a tile.

The source trains a ResNet-50 on AID's scenes. Here the classifier is small and stands on the image tower that is there
anyway, on the pooled features of its last token map; :mod:`engine.train.prior_clip.scene_prior` trains it.
"""

from __future__ import annotations

from torch import Tensor, nn

DROPOUT = 0.2


class ScenePrior(nn.Module):
    """``prior = GELU(Linear(LayerNorm(features)))``, ``logits = Linear(prior)``.

    The prior is what the decision is made from, as the source takes the features before its classifier's last layer.

    Args:
        features: of the backbone's pooled features.
        width: of the prior.
        scenes: how many scenes are told apart.
        dropout: rate before the last layer while training.
    """

    def __init__(self, features: int, width: int, scenes: int, dropout: float = DROPOUT) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.hidden = nn.Linear(features, width)
        self.activation = nn.GELU()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, scenes)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features ``(B, features)`` to the prior ``(B, width)`` and the scenes' logits ``(B, scenes)``."""
        prior: Tensor = self.activation(self.hidden(self.norm(features)))
        logits: Tensor = self.classifier(self.dropout(prior))
        return prior, logits
