"""How far categories overlap in an embedding space: the number behind a t-SNE picture."""

from __future__ import annotations

import numpy as np

from engine.errors import UsageError
from engine.types import Float32Array, Float64Array, IntArray

NEIGHBOURS = 10
_DECIMALS = 6  # of a cosine; equal images differ beyond, by rounding
_ROWS = 1024  # at a time, so that memory stays bounded


def category_overlap(embeddings: Float32Array, labels: IntArray, neighbours: int = NEIGHBOURS) -> float:
    """The share of an image's nearest neighbours that are of another category; lower is better.

    Nearest by cosine, itself left out. An image of a category of n looks at its ``min(neighbours, n - 1)`` nearest, so
    that 0 can be reached in a small category too. The mean is taken within each category and then over categories, so
    that a large one does not decide. Where several are equally near at the border, the expected share if they were
    drawn at random counts: embeddings that are all the same overlap by :func:`chance_overlap`, and not by the images'
    order. Unlike a silhouette it does not depend on the clusters' shape or on how wide the embeddings are spread.

    Args:
        embeddings: ``(B, E)`` of any length above 0.
        labels: ``(B,)``; images with a negative one are left out. A category of one image is nobody's own, but can be
            another's neighbour.
        neighbours: how many, at least 1.

    Returns:
        From 0, every neighbour of the own category, to 1; embeddings without any order are at
        :func:`chance_overlap`.

    Raises:
        UsageError: no category has two images.
    """
    labels = np.asarray(labels)
    known = labels >= 0
    unit = np.asarray(embeddings, np.float64)[known]
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    categories, category, sizes = _categories(labels[known])
    shares = np.zeros(len(unit))
    for start in range(0, len(unit), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(unit)))
        cosines = np.round(unit[rows] @ unit.T, _DECIMALS)
        cosines[np.arange(len(rows)), rows] = -np.inf
        foreign = category[rows, None] != category[None, :]
        for i, row in enumerate(rows):
            wanted = min(neighbours, int(sizes[category[row]]) - 1)
            if wanted:
                shares[row] = _foreign(cosines[i], foreign[i], wanted) / wanted
    return float(np.mean([shares[category == c].mean() for c in categories]))


def chance_overlap(labels: IntArray) -> float:
    """The overlap of embeddings that know nothing of the categories.

    Args:
        labels: as in :func:`category_overlap`.

    Raises:
        UsageError: no category has two images.
    """
    labels = np.asarray(labels)
    categories, _, sizes = _categories(labels[labels >= 0])
    total = int(sizes.sum())
    return float(np.mean((total - sizes[categories]) / (total - 1)))


def _categories(labels: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """The numbers of the categories of two images or more; each image's category; the size of each."""
    _, category, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    several = np.flatnonzero(sizes > 1)
    if not len(several):
        raise UsageError(
            f"The overlap of categories cannot be measured: none of the {len(labels)} labelled images shares its "
            "category with another.",
            "Take a split whose images have scene labels, with two images or more of one scene.",
        )
    return several, category, sizes


def _foreign(cosines: Float64Array, foreign: np.typing.NDArray[np.bool_], wanted: int) -> float:
    """How many of the ``wanted`` nearest are foreign, as expected where the border cuts through equals."""
    border = np.partition(cosines, -wanted)[-wanted]
    nearer, equal = cosines > border, cosines == border
    places = wanted - int(nearer.sum())
    return float(foreign[nearer].sum() + places * foreign[equal].mean())
