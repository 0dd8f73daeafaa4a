"""What both students share: the loss against fixed targets, the schedule, a head to start from."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

TEMPERATURE_SCALE = 20.0
RIDGE = 0.02
WARM_UP = 0.05


def regression_loss(embeddings: Tensor, targets: Tensor, bank: Tensor, cosine_weight: float) -> Tensor:
    """Weighted 1 - cosine, and the divergence of the similarities with a bank from those of the target.

    The cosine alone counts all directions alike; the second term counts those that tell the bank's entries apart.

    Args:
        embeddings, targets: unit length ``(B, E)``.
        bank: targets of the other kind ``(K, E)``.

    Returns:
        Loss, nats (second term).
    """
    distance = 1 - (embeddings * targets).sum(1).mean()
    wanted = (TEMPERATURE_SCALE * targets @ bank.T).log_softmax(1)
    found = (TEMPERATURE_SCALE * embeddings @ bank.T).log_softmax(1)
    divergence = nn.functional.kl_div(found, wanted, reduction="batchmean", log_target=True)
    return cosine_weight * distance + divergence


def learning_rate_factor(step: int, total: int) -> float:
    """A line up over the first twentieth, under a cosine down to 0."""
    return min((step + 1) / max(1.0, WARM_UP * total), 0.5 * (1 + math.cos(math.pi * step / total)))


@torch.no_grad()
def fit_head(head: nn.Linear, features: Tensor, targets: Tensor) -> None:
    """Sets a linear head to the ridge regression of ``targets`` ``(N, E)`` on ``features`` ``(N, D)``."""
    features, targets = features.double().cpu(), targets.double()
    centred, mean = features - features.mean(0), targets.mean(0)
    ridge = len(features) * RIDGE * features.var(0).mean() * torch.eye(features.shape[1], dtype=features.dtype)
    weight = torch.linalg.solve(centred.T @ centred + ridge, centred.T @ (targets - mean))  # (D, E)
    head.weight.copy_(weight.T)
    head.bias.copy_(mean - features.mean(0) @ weight)
