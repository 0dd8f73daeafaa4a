"""A relevance map in two halves: where to cut it, and how far the halves are apart."""

from __future__ import annotations

import numpy as np

from engine.types import Float32Array, IntArray


def otsu_cut(values: Float32Array, sizes: IntArray) -> tuple[float, float]:
    """The cut between values ``(S,)`` that count ``sizes`` ``(S,)`` times each, and the distance of the means above
    and below it: both 0 where all values are equal.

    The cut of the largest variance between the halves (Otsu, IEEE Trans. SMC 9, 1979), midway between neighbours.
    """
    order = np.argsort(values, kind="stable")
    ranked, weights = values[order].astype(np.float64), sizes[order] / sizes.sum()
    below = weights.cumsum()[:-1]
    sum_below = (weights * ranked).cumsum()[:-1]
    total = float((weights * ranked).sum())
    if len(ranked) < 2 or ranked[0] == ranked[-1]:
        return 0.0, 0.0
    distance = (total - sum_below) / (1 - below) - sum_below / below
    best = int((below * (1 - below) * distance**2).argmax())
    return float(ranked[best : best + 2].mean()), float(distance[best])
