"""The curves of a run as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.types import Float64Array, Json

_SMOOTH_SHARE = 0.02  # of all steps go into the smoothed loss


def draw_curves(
    file: Path, losses: Sequence[float], history: Sequence[Json], chance: float, steps_an_epoch: int, title: str
) -> None:
    """Loss of each step above, recalls on val after each epoch below, over the same axis of steps; a PNG.

    Args:
        file: where to.
        losses: of each step.
        history: rows with ``step`` and ``val`` (a :class:`engine.evaluate.retrieval.RetrievalReport` as JSON).
        chance: val mR of a random order, percent.
        steps_an_epoch: for the axis of epochs on top.
        title: over the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6.4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    above, below = figure.subplots(2, 1, sharex=True)
    steps = np.arange(1, len(losses) + 1)
    above.plot(steps, losses, color="#b9c4d0", linewidth=0.7, label="each step")
    window = max(1, round(len(losses) * _SMOOTH_SHARE))
    if len(losses) >= 2 * window > 2:
        above.plot(steps[window - 1 :], running_mean(losses, window), color="#1f4e79", label=f"mean of {window} steps")
    above.set_ylabel("training loss")
    above.legend(frameon=False, fontsize=8)
    epochs = above.secondary_xaxis("top", functions=(lambda s: s / steps_an_epoch, lambda e: e * steps_an_epoch))
    epochs.set_xlabel("epoch", fontsize=9)
    at = [row["step"] for row in history]
    mean = [row["val"]["mR"] for row in history]
    for direction, colour, name in (("i2t", "#2e7d32", "image to text"), ("t2i", "#c25e00", "text to image")):
        for k, style in (("R@1", ":"), ("R@10", "--")):
            values = [row["val"][direction][k] for row in history]
            below.plot(at, values, style, color=colour, linewidth=1.1, label=f"{k} {name}")
    best = f", best {max(mean):.2f}" if mean else ""
    below.plot(at, mean, color="black", linewidth=1.8, marker="o", markersize=3, label=f"mR{best}")
    below.axhline(chance, color="#888888", linewidth=0.8, label=f"mR of a random order, {chance:.2f}")
    below.set_ylim(bottom=0)
    below.set_xlim(0, max(len(losses), 1))
    below.set_xlabel("step")
    below.set_ylabel("recall on val, %")
    below.legend(frameon=False, fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for axes in (above, below):
        axes.spines[["right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.savefig(file, format="png")


def running_mean(values: Sequence[float], window: int) -> Float64Array:
    """Mean of each ``window`` consecutive values: ``window - 1`` fewer than there are values."""
    sums: Float64Array = np.concatenate([[0.0], np.cumsum(np.asarray(values, np.float64))])
    means: Float64Array = (sums[window:] - sums[:-window]) / window
    return means
