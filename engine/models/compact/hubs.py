"""Hubs: what an embedding has in common with everything is taken off its cosines, within the embedding itself.

Some images are near to every text, and some texts to every image; they crowd out what fits. QB-Norm (Bogolin et al.,
arXiv 2112.12777) divides each similarity by those with a bank of other queries. Here the logarithm of that divisor
depends on one side alone, so that it fits into two dimensions of the embedding, and dot products stay all that an
index needs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

HUB_DIMENSIONS = 2
HUB_LENGTH = 0.35  # of the constant that a hub term is multiplied with


def with_hub_term(embeddings: Tensor, hub: Tensor, of_texts: bool) -> Tensor:
    """Embeddings ``(…, E - 2)`` and what is to be taken off their dot products ``(…)``, to unit length ``(…, E)``.

    The last two dimensions multiply each side's term by a constant of the other side.
    """
    constant, term = torch.full_like(hub, HUB_LENGTH), -hub / HUB_LENGTH
    ends = torch.stack([term, constant] if of_texts else [constant, term], -1)
    return normalize(torch.cat([embeddings, ends], -1), dim=-1)


class HubTerm(nn.Module):
    """Replaces the last two of E dimensions by the hub term of the others.

    The bank, thousands of training embeddings of the other kind, is kept as the centres of K clusters, each with the
    logarithm of its share: the term is ``strength`` times the log-sum-exp of the cosines with them at ``logit_scale``,
    less its mean over the training data.

    Args:
        embed_dim: E.
        centres: K.
        of_texts: whether the embeddings are those of texts.
    """

    def __init__(self, embed_dim: int, centres: int, of_texts: bool) -> None:
        super().__init__()
        self.of_texts = of_texts
        self.centres: Tensor
        self.log_shares: Tensor
        self.strength: Tensor
        self.logit_scale: Tensor
        self.mean: Tensor
        self.register_buffer("centres", torch.zeros(centres, embed_dim - HUB_DIMENSIONS))
        self.register_buffer("log_shares", torch.zeros(centres))
        for name in ("strength", "logit_scale", "mean"):
            self.register_buffer(name, torch.ones(()))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Unit embeddings ``(…, E)``, whose last two dimensions do not count, to such ``(…, E)``."""
        own = normalize(embeddings[..., :-HUB_DIMENSIONS], dim=-1)
        return with_hub_term(own, self.strength * (self.hub(own) - self.mean), self.of_texts)

    def hub(self, own: Tensor) -> Tensor:
        """Unit embeddings ``(…, E - 2)`` to the log-sum-exp of their cosines with the bank ``(…)``."""
        return (self.logit_scale * own @ self.centres.T + self.log_shares).logsumexp(-1) / self.logit_scale
