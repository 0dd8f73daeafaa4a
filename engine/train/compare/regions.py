"""Regions for MPS-CLIP's views on tokens that are kept, where no pixels are left to cut.

The paper blackens a tile outside a noun's outline and encodes it again. Here a region is those of the image's own
tokens that are nearer to the noun than halfway between its nearest and its farthest token, as
:mod:`engine.train.packaged.subimages` outlines nouns, and its embedding is that of their mean. Unlike a subimage's
tokens they have seen what lies around the noun, so a region is less apart from the whole image than the paper's; and it
costs next to nothing, where encoding subimages would double a step.
"""

from __future__ import annotations

import torch
from torch import Tensor


def noun_regions(tokens: Tensor, projected: Tensor, nouns: Tensor) -> Tensor:
    """Mean tokens of one noun's region in each image.

    Args:
        tokens: ``(B, C, h, w)``.
        projected: their embeddings ``(B, h, w, E)``.
        nouns: embeddings ``(B, E)``, one noun an image.

    Returns:
        ``(B, C)``; gradients reach the tokens, and not the choice of them.
    """
    with torch.no_grad():
        relevance = torch.einsum("bhwe,be->bhw", projected, nouns)
        halfway = 0.5 * (relevance.amax((1, 2), keepdim=True) + relevance.amin((1, 2), keepdim=True))
        inside = (relevance >= halfway).to(tokens)  # never none: the nearest token is in
        inside = inside / inside.sum((1, 2), keepdim=True)
    return torch.einsum("bchw,bhw->bc", tokens, inside)
