"""Embeddings of images in the plane, coloured by scene: one panel a model."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from engine.evaluate.figure import FAINT, picture
from engine.evaluate.tsne import evenly_drawn, fitting_perplexity, nearest_turn, tsne
from engine.types import Float32Array, Float64Array

MOST = 2500  # points of a panel: the exact t-SNE compares all with all
FEWEST = 3  # points that have a picture
_MARKERS = "osD^vP"
_COLUMNS = 3
_SIDE = 6.4  # of a panel, inches
_GREY = "#9aa4ae"


def projection_picture(panels: Sequence[tuple[str, Float32Array, Sequence[str | None]]], file: Path) -> None:
    """t-SNE of each panel's embeddings, a PNG: colour and mark say the scene, its name stands in its densest place.

    Panels of the same images (equal labels) are turned and mirrored to the first one, so that they can be compared;
    that changes no distance. Of more than :data:`MOST` images an even selection is drawn.

    Args:
        panels: title, embeddings float32 ``(B, E)`` of unit length, and the scene of each image (None: has none; drawn
            small and grey). B at least 3, and the same number of labels.
        file: where to.

    Raises:
        MissingDependencyError: without matplotlib.
        ValueError: no panel, or too few points or labels.
    """
    if not panels or any(len(embeddings) != len(labels) or len(labels) < FEWEST for _, embeddings, labels in panels):
        raise ValueError("a projection needs panels of three embeddings or more, with a label each")
    drawn = [_reduced(embeddings, labels) for _, embeddings, labels in panels]
    names = sorted({label for _, labels in drawn for label in labels if label is not None})
    placed: list[Float32Array] = []
    for embeddings, labels in drawn:
        places = tsne(embeddings)
        placed.append(nearest_turn(places, placed[0]) if placed and labels == drawn[0][1] else places)
    columns = 2 if len(panels) == 4 else min(len(panels), _COLUMNS)
    rows = ceil(len(panels) / columns)
    width = _SIDE * columns
    in_legend = max(1, int(width / (0.4 + 0.068 * max(map(len, names), default=0))))
    with picture(file, width, _SIDE * rows + 0.3 + 0.19 * ceil((len(names) + 1) / in_legend)) as figure:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        for axes, (title, embeddings, _), (_, labels), places in zip(grid, panels, drawn, placed, strict=False):
            _panel(axes, places, labels, names)
            of_all = "" if len(labels) == len(embeddings) else f" of {len(embeddings):,}"
            how = f"t-SNE of {len(labels):,}{of_all} images, perplexity {fitting_perplexity(len(labels)):.0f}"
            axes.set_title(f"{title}\n", fontsize=11, loc="left")
            axes.text(0, 1.01, how, transform=axes.transAxes, color=FAINT, fontsize=8)
        _legend(figure, names, any(None in labels for _, labels in drawn), in_legend)


def _reduced(embeddings: Float32Array, labels: Sequence[str | None]) -> tuple[Float32Array, list[str | None]]:
    chosen = evenly_drawn(len(labels), MOST)
    return embeddings[chosen], [labels[i] for i in chosen]


def _style(number: int) -> tuple[Any, str]:
    """Colour and mark of a scene: neighbours in the alphabet differ in both."""
    from matplotlib import colormaps

    shades = [colormaps["tab10"](place) for place in range(10) if place != 7]  # without the grey: those have no scene
    return shades[number % len(shades)], _MARKERS[(number // len(shades)) % len(_MARKERS)]


def _panel(axes: Any, places: Float32Array, labels: Sequence[str | None], names: Sequence[str]) -> None:
    from matplotlib.patheffects import withStroke

    of = np.array([-1 if label is None else names.index(label) for label in labels])
    none = places[of < 0]
    axes.scatter(none[:, 0], none[:, 1], s=8, color=_GREY, marker="x", linewidths=0.7)
    at, words = [], []
    for number in np.unique(of[of >= 0]).tolist():
        mine = places[of == number]
        colour, mark = _style(number)
        axes.scatter(mine[:, 0], mine[:, 1], s=15, color=colour, marker=mark, linewidths=0.3, edgecolors="white")
        at.append(_densest(mine))
        words.append(names[number])
    span = float(np.ptp(places, axis=0).max())
    half = np.array([[0.0078 * span * len(word), 0.014 * span] for word in words]).reshape(-1, 2)
    for word, (x, y), box in zip(words, _apart(np.array(at).reshape(-1, 2), half), half, strict=True):
        text = axes.text(x, y + box[1], word, fontsize=7.5, ha="center", va="center", weight="bold", alpha=0.9)
        text.set_path_effects([withStroke(linewidth=2, foreground="white")])
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", "datalim")
    for spine in axes.spines.values():
        spine.set_color("#c9d0d6")


def _densest(places: Float32Array) -> Float64Array:
    """Just above the points around the one that has most of the others near: a mean may lie between two groups."""
    squares = ((places[:, None] - places[None]) ** 2).sum(-1)
    near = np.exp(-squares / (np.median(squares) / 4 + 1e-9)).sum(1)
    group = places[squares[int(near.argmax())] <= np.median(squares)]
    return np.array([np.median(group[:, 0]), group[:, 1].max()], np.float64)


def _apart(centres: Float64Array, half: Float64Array) -> Float64Array:
    """Boxes at ``(n, 2)`` with half sides ``(n, 2)``, moved up or down until none lies on another, or nearly so."""
    out = centres.copy()
    order = np.subtract.outer(np.arange(len(out)), np.arange(len(out)))  # decides for boxes of the same height
    for _ in range(100):
        gap = out[:, None] - out[None]  # (n, n, 2)
        overlap = half[:, None] + half[None] - np.abs(gap)
        np.fill_diagonal(overlap[..., 1], 0)
        touching = (overlap > 0).all(-1)
        if not touching.any():
            break
        upward = np.sign(np.where(gap[..., 1] == 0, order, gap[..., 1]))
        out[:, 1] += 0.3 * (np.where(touching, overlap[..., 1], 0) * upward).sum(1)
    return out


def _legend(figure: Any, names: Sequence[str], some_without: bool, columns: int) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for number, name in enumerate(names):
        colour, mark = _style(number)
        handles.append(Line2D([], [], linestyle="", marker=mark, color=colour, markersize=5, label=name))
    if some_without:
        handles.append(Line2D([], [], linestyle="", marker="x", color=_GREY, markersize=4, label="no scene"))
    if handles:
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=columns,
            frameon=False,
            fontsize=8,
            handletextpad=0.2,
            columnspacing=1,
        )
