"""Recalls of several models, or recipes, as horizontal bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.evaluate.figure import FAINT, INK, picture

_BAR, _BEST = "#a9c2d8", "#5a93c2"  # both light enough for lines on them
_SHADES = ("#1f4e79", "#5f8fb8", "#bfd4e6")  # R@1, R@5, R@10
_HEADS = ("R@1", "R@5", "R@10")


@dataclass(frozen=True, slots=True)
class BarRow:
    """One bar.

    Attributes:
        name: beside it.
        values: mR in percent, one a run (seed); the bar is their mean.
        i2t: R@1, R@5, R@10 of image to text in percent, or None.
        t2i: of text to image.
        section: rows of one section stand together below its name.
        error: standard error of a single value, percent, drawn as a line.
    """

    name: str
    values: tuple[float, ...]
    i2t: tuple[float, ...] | None = None
    t2i: tuple[float, ...] | None = None
    section: str = ""
    error: float | None = None


def bar_chart(
    rows: Sequence[BarRow], file: Path, title: str = "", measure: str = "mR, %", chance: float | None = None
) -> None:
    """mR of each row, its runs as dots and their range as a line, in the rows' order; recalls of both directions beside
    it where any row has them. A PNG.

    Args:
        rows: at least one; each has at least one value.
        file: where to.
        title: over the picture.
        measure: what ``values`` are, below the axis.
        chance: mR of a random order, drawn as a line.

    Raises:
        MissingDependencyError: without matplotlib.
        ValueError: no row, or a row without a value.
    """
    if not rows or not all(row.values for row in rows):
        raise ValueError("a bar chart needs rows, and each row a value")
    places, heads = _places(rows)
    with_recalls = any(row.i2t or row.t2i for row in rows)
    longest = max(len(row.name) for row in rows)
    height = 1.15 + 0.34 * (max(places) + 1) + (0.25 if title else 0)
    with picture(file, (11 if with_recalls else 6.2) + 0.06 * longest, height) as figure:
        if title:
            figure.suptitle(title, fontsize=11)
        if with_recalls:
            left, *others = figure.subplots(1, 3, sharey=True, width_ratios=(1.15, 1, 1))
        else:
            left, others = figure.subplots(), []
        _mean_recalls(left, rows, places, measure, chance)
        left.set_yticks(places, [row.name for row in rows])
        left.set_ylim(max(places) + 0.6, min(0, *places) - (0.6 if not heads else 0.2))
        for place, section in heads:
            # Above the first bar of the section, where no bar is.
            left.text(0, place, section, transform=left.get_yaxis_transform(), weight="bold", va="center", fontsize=8.5)
        if others:
            limit = 1.12 * max(max(recalls) for row in rows for recalls in (row.i2t, row.t2i) if recalls)
            for axes, name, of in zip(others, ("image to text", "text to image"), ("i2t", "t2i"), strict=True):
                _recalls(axes, [getattr(row, of) for row in rows], places, name, limit)
            _legend(figure)
        for axes in (left, *others):
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="x", alpha=0.3, linewidth=0.6)
            axes.set_axisbelow(True)


def _places(rows: Sequence[BarRow]) -> tuple[list[float], list[tuple[float, str]]]:
    """The height of each bar, from the top, and of the names of sections."""
    places: list[float] = []
    heads: list[tuple[float, str]] = []
    at, section = 0.0, ""
    for row in rows:
        if row.section and row.section != section:
            at += 0.35 if places else 0.0
            heads.append((at, row.section))
            at += 0.75
        section = row.section
        places.append(at)
        at += 1
    return places, heads


def _mean_recalls(
    axes: Any, rows: Sequence[BarRow], places: Sequence[float], measure: str, chance: float | None
) -> None:
    means = [float(np.mean(row.values)) for row in rows]
    limit = 1.3 * max(max(row.values) for row in rows)
    best = max(means)
    for row, place, mean in zip(rows, places, means, strict=True):
        axes.barh(place, mean, 0.62, color=_BEST if mean == best and len(rows) > 1 else _BAR)
        words = f"{mean:.2f}"
        if len(row.values) > 1:
            axes.plot([min(row.values), max(row.values)], [place, place], color=INK, linewidth=1)
            axes.plot(row.values, [place] * len(row.values), "o", color="white", markeredgecolor=INK, markersize=3.5)
            words += f" ± {np.std(row.values, ddof=1):.2f}"
        elif row.error is not None:
            axes.plot([mean - row.error, mean + row.error], [place, place], color=INK, linewidth=1.3)
            words += f" ± {row.error:.2f}"
        axes.text(max(*row.values, mean + (row.error or 0)) + 0.015 * limit, place, words, va="center", fontsize=8.5)
    if chance is not None:
        axes.axvline(chance, color=FAINT, linewidth=1, linestyle=":")
        axes.text(chance, 1.0, " random order", transform=axes.get_xaxis_transform(), color=FAINT, fontsize=7.5)
    axes.set_xlim(0, limit)
    several = any(len(row.values) > 1 for row in rows)
    if several:
        measure += "; dots: runs, ± their standard deviation"
    elif any(row.error is not None for row in rows):
        measure += "; lines: ± standard error"
    axes.set_xlabel(measure)


def _recalls(
    axes: Any, of_rows: Sequence[tuple[float, ...] | None], places: Sequence[float], name: str, limit: float
) -> None:
    """R@1, R@5 and R@10 lie on each other, since each holds the one before."""
    for recalls, place in zip(of_rows, places, strict=True):
        if recalls is None:
            axes.text(0, place, " not measured", va="center", color=FAINT, fontsize=8)
            continue
        for value, shade in zip(reversed(recalls), reversed(_SHADES), strict=True):
            axes.barh(place, value, 0.62, color=shade)
        # Numbers stand beside the bar, so that they can be read however short its parts are.
        axes.text(max(recalls) + 0.01 * limit, place, " / ".join(f"{v:.1f}" for v in recalls), va="center", fontsize=8)
    axes.set_xlim(0, 1.3 * limit)
    axes.set_xlabel(f"{name}, %")


def _legend(figure: Any) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=shade, label=head) for shade, head in zip(_SHADES, _HEADS, strict=True)]
    figure.legend(handles=handles, loc="outside lower right", ncols=3, frameon=False, fontsize=8)
