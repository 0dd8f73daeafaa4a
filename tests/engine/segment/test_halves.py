"""Where a map is cut in two."""

from __future__ import annotations

import numpy as np
import pytest

from engine.segment.halves import otsu_cut


def cut(values: list[float], sizes: list[int] | None = None) -> tuple[float, float]:
    return otsu_cut(np.asarray(values, np.float32), np.asarray(sizes or [1] * len(values)))


def test_two_clusters_are_cut_midway_between_neighbours() -> None:
    assert cut([3.0, 0.0, 0.2, 3.4, -0.2]) == pytest.approx((1.6, 3.2))


def test_values_count_by_their_size() -> None:
    assert cut([0.0, 1.0, 2.0], [100, 1, 100])[1] == pytest.approx(2 - 1 / 101)
    assert cut([0.0, 1.0, 2.0], [100, 1, 100])[0] in (0.5, 1.5)
    assert cut([0.0, 1.0, 2.1], [10, 10, 1]) == pytest.approx((0.5, 1.1))


def test_what_is_equal_everywhere_has_no_halves() -> None:
    assert cut([1.5, 1.5, 1.5]) == (0.0, 0.0)
    assert cut([1.5]) == (0.0, 0.0)
