"""Embeddings of images in the plane, coloured by scene: one panel a model."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from engine.evaluate.figure import FAINT, picture
from engine.evaluate.tsne import PERPLEXITY, evenly_drawn, nearest_turn, tsne
from engine.types import Float32Array, IntArray

MOST = 2500  # points of a panel: the exact t-SNE compares all with all
_MARKERS = "osD^vP"
_COLUMNS = 3


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
    if not panels or any(len(embeddings) != len(labels) or len(labels) < 3 for _, embeddings, labels in panels):
        raise ValueError("a projection needs panels of three embeddings or more, with a label each")
    drawn = [_reduced(embeddings, labels) for _, embeddings, labels in panels]
    names = sorted({label for _, labels in drawn for label in labels if label is not None})
    placed: list[Float32Array] = []
    for embeddings, labels in drawn:
        places = tsne(embeddings)
        placed.append(nearest_turn(places, placed[0]) if placed and labels == drawn[0][1] else places)
    columns = min(len(panels), _COLUMNS)
    rows = ceil(len(panels) / columns)
    with picture(file, 6.4 * columns, 6.4 * rows + 0.35 + 0.2 * ceil(len(names) / (5 * columns))) as figure:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        for axes, (title, embeddings, _), (_, labels), places in zip(grid, panels, drawn, placed, strict=False):
            _panel(axes, places, labels, names)
            count = (
                f"{len(labels):,} images"
                if len(labels) == len(embeddings)
                else f"{len(labels):,} of {len(embeddings):,}"
            )
            axes.set_title(f"{title}\n", fontsize=11, loc="left")
            axes.text(
                0,
                1.01,
                f"t-SNE of {count}, perplexity {PERPLEXITY:.0f}",
                transform=axes.transAxes,
                color=FAINT,
                fontsize=8,
            )
        _legend(figure, names, any(None in labels for _, labels in drawn), 5 * columns)


def _reduced(embeddings: Float32Array, labels: Sequence[str | None]) -> tuple[Float32Array, list[str | None]]:
    chosen = evenly_drawn(len(labels), MOST)
    return embeddings[chosen], [labels[i] for i in chosen]


def _style(number: int, count: int) -> tuple[Any, str]:
    """Colour and mark of a scene: neighbours in the alphabet differ in both."""
    from matplotlib import colormaps

    shades = [*colormaps["tab10"].colors[:7], *colormaps["tab10"].colors[8:]]  # without the grey: those have no scene
    return shades[number % len(shades)], _MARKERS[(number // len(shades)) % len(_MARKERS)]


def _panel(axes: Any, places: Float32Array, labels: Sequence[str | None], names: Sequence[str]) -> None:
    from matplotlib.patheffects import withStroke

    of = np.array([-1 if label is None else names.index(label) for label in labels])
    none = places[of < 0]
    axes.scatter(none[:, 0], none[:, 1], s=6, color="#b5bcc4", marker="x", linewidths=0.6)
    for number, name in enumerate(names):
        mine = places[of == number]
        if not len(mine):
            continue
        colour, mark = _style(number, len(names))
        axes.scatter(mine[:, 0], mine[:, 1], s=16, color=colour, marker=mark, linewidths=0.3, edgecolors="white")
    for number, name in enumerate(names):
        if (of == number).any():
            x, y = _densest(places[of == number])
            text = axes.text(x, y, name, fontsize=7.5, ha="center", va="center", weight="bold")
            text.set_path_effects([withStroke(linewidth=2.2, foreground="white")])
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", "datalim")
    for spine in axes.spines.values():
        spine.set_color("#c9d0d6")


def _densest(places: Float32Array) -> Float32Array:
    """The point that has most of the others near: a mean may lie between two groups, where none is."""
    squares = ((places[:, None] - places[None]) ** 2).sum(-1)
    width = np.median(squares) / 4 + 1e-9
    middle: IntArray = np.exp(-squares / width).sum(1)
    return places[int(middle.argmax())]


def _legend(figure: Any, names: Sequence[str], some_without: bool, columns: int) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for number, name in enumerate(names):
        colour, mark = _style(number, len(names))
        handles.append(Line2D([], [], linestyle="", marker=mark, color=colour, markersize=5, label=name))
    if some_without:
        handles.append(Line2D([], [], linestyle="", marker="x", color="#b5bcc4", markersize=4, label="no scene"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
