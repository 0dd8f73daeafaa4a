"""Subimages for the MPR heads of MPS-CLIP (arXiv 2601.18190): what a noun names, and the rest black.

The paper outlines the nouns of a training caption with a segmenter. Here the model outlines one itself, at each step
anew, from the tokens that it has just computed: where a token is nearer to the noun than halfway between the nearest
and the farthest token of the image. That costs nothing and is coarse, as first searches with the model are.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine.models.compact.image_tower import PIXEL_MEAN, PIXEL_SCALE

BLACK = -PIXEL_MEAN / PIXEL_SCALE


def subimages(images: Tensor, tokens: Tensor, nouns: Tensor) -> Tensor:
    """Images with everything outside their noun in black.

    Args:
        images: normalised pixels ``(B, 3, H, W)``.
        tokens: embeddings ``(B, h, w, E)`` of their tokens.
        nouns: embeddings ``(B, E)``, one noun an image.

    Returns:
        Of the shape of ``images``, without gradient; at least a part of each image is left.
    """
    with torch.no_grad():
        relevance = torch.einsum("bhwe,be->bhw", tokens, nouns)
        relevance = interpolate(relevance[:, None], images.shape[2:], mode="bilinear")
        halfway = 0.5 * (relevance.amax((2, 3), keepdim=True) + relevance.amin((2, 3), keepdim=True))
        return torch.where(relevance >= halfway, images, BLACK)


def drawn_nouns(shown: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """For each image one of the nouns that it shows, by chance.

    Args:
        shown: bool ``(B, M)``, M at least 1.
        generator: on the CPU.

    Returns:
        int64 ``(B,)``, a column each; bool ``(B,)``, whether the image shows any (else its column means nothing).
    """
    chances = torch.rand(shown.shape, generator=generator).to(shown.device)
    best = torch.where(shown, chances, -1.0).max(1)
    return best.indices, best.values >= 0
