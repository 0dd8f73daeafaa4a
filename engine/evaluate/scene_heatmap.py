"""Recalls by scene as a picture: which scenes are hard, and for which model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.evaluate.figure import FAINT, picture
from engine.evaluate.measured import Measured, SceneRecalls
from engine.evaluate.retrieval import KS
from engine.types import Float64Array

_COLUMN, _ROW = 0.62, 0.235  # inches
NO_SCENE = "(no scene named)"


def scene_heatmap(measured: Sequence[Measured], file: Path, title: str = "") -> None:
    """R@1, R@5 and R@10 (mean of both directions) of each scene, one column a model, the hardest scene on top; a PNG.

    Numbers stand in the cells; shades go from 0 to the highest value of each of the three parts.

    Args:
        measured: models on the same split, at least one.
        file: where to.
        title: over the picture.

    Raises:
        MissingDependencyError: without matplotlib.
    """
    scenes = hardest_first(measured)
    names = [entry.report.model for entry in measured]
    rows = ["all images", *(f"{scene.scene or NO_SCENE} ({scene.images})" for scene in scenes)]
    tables = [
        np.array([_all_images(entry), *(_of(entry, scene.scene).both for scene in scenes)]) for entry in measured
    ]  # each (1 + scenes, K)
    headings = [_wrapped(name) for name in names] if len(names) > 1 else [""]  # one name stands below the parts
    lines = max(heading.count("\n") for heading in headings) + 1
    width = 1.9 + len(KS) * (len(measured) * _COLUMN * (1.0 if len(measured) > 1 else 1.4) + 0.12)
    with picture(file, max(width, 4.6), 1.1 + _ROW * len(rows) + 0.55 * (len(measured) > 1) + 0.12 * lines) as figure:
        if title:
            figure.suptitle(title, fontsize=11)
        for axes, (k, name) in zip(figure.subplots(1, len(KS), sharey=True), enumerate(KS), strict=True):
            _part(axes, np.stack([table[:, k] for table in tables], 1))
            axes.set_title(f"R@{name}, %", fontsize=9.5, weight="bold", pad=6)
            axes.set_xticks(range(len(measured)), headings, fontsize=7.5, rotation=90)
        figure.axes[0].set_yticks(range(len(rows)), rows, fontsize=8)
        figure.axes[0].get_yticklabels()[0].set_weight("bold")
        below = "mean of image to text and text to image; in brackets: images"
        figure.supxlabel(below if len(names) > 1 else f"{names[0]}\n{below}", fontsize=7.5, color=FAINT)


def hardest_first(measured: Sequence[Measured]) -> list[SceneRecalls]:
    """The first model's scenes, by the models' mean recall; images without a scene last."""
    return sorted(
        measured[0].scenes,
        key=lambda row: (row.scene is None, float(np.mean([_of(e, row.scene).mean_recall for e in measured]))),
    )


def _of(measured: Measured, scene: str | None) -> SceneRecalls:
    return next(row for row in measured.scenes if row.scene == scene)


def _all_images(measured: Measured) -> tuple[float, ...]:
    report = measured.report
    return tuple((a + b) / 2 for a, b in zip(report.i2t.expected, report.t2i.expected, strict=True))


def _part(axes: Any, values: Float64Array) -> None:
    """One k: values ``(rows, models)``."""
    from matplotlib import colormaps

    top = max(float(values.max()), 1e-9)
    shades = colormaps["YlGnBu"]
    axes.imshow(values, aspect="auto", cmap=shades, vmin=0, vmax=top)
    for row, column in np.ndindex(*values.shape):
        value = float(values[row, column])
        red, green, blue, _ = shades(value / top)
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.45
        weight = "bold" if row == 0 else "normal"
        axes.text(
            column, row, f"{value:.1f}", ha="center", va="center", fontsize=7, weight=weight,
            color="white" if dark else "black",
        )  # fmt: skip
    axes.axhline(0.5, color="white", linewidth=4)  # the row of all images stands apart
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _wrapped(name: str, width: int = 24) -> str:
    """A long name on several lines, broken after colons, hyphens and the like."""
    lines = [""]
    for part in re.findall(r"[^:@/_-]*[:@/_-]?", name):
        if lines[-1] and len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
