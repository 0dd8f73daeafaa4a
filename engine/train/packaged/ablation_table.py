"""The table of an ablation, in Markdown and JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import torch

from engine.train.packaged.config import TrainingConfig
from engine.types import Json

BASE = "base"
NOISE = 0.7
"""Differences of val mR in one seed below which nothing is concluded."""


@dataclass(frozen=True, slots=True)
class Run:
    """One ingredient in one seed.

    Attributes:
        name: of the ingredient.
        label: in words.
        seed: of the ablation; the run's own is in ``config``.
        config: all settings.
        val_mr: of the averaged weights after the last step, percent.
        val_mr_without_average: of the weights themselves; measured for the base recipe alone.
        loss: running mean at the end; of another objective, so not to be compared between rows.
        parameters: of the network, without what training alone needs.
        minutes: by the clock, validation included.
        processor_minutes: the same in processor time, which a busy machine does not stretch.
    """

    name: str
    label: str
    seed: int
    config: Json
    val_mr: float
    val_mr_without_average: float | None
    loss: float | None
    parameters: int
    minutes: float
    processor_minutes: float

    def to_json(self) -> Json:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Row:
    """An ingredient over its seeds; ``difference`` is the mean of the differences from the same seed's base run."""

    label: str
    val_mr: float
    difference: float
    seeds: int
    parameters: int
    minutes: float
    processor_minutes: float

    @property
    def verdict(self) -> str:
        """What a difference says by itself; the noise of a mean falls with the root of the number of seeds."""
        if abs(self.difference) < NOISE / self.seeds**0.5:
            return "nothing"
        return "gain" if self.difference > 0 else "loss"


def rows(runs: Sequence[Run]) -> list[Row]:
    """One row an ingredient in the order of the runs, and last the base run without averaged weights."""
    base = {run.seed: run for run in runs if run.name == BASE}
    runs = [run for run in runs if run.seed in base]
    found = []
    for name in dict.fromkeys(run.name for run in runs):
        found.append(_row([(run, run.val_mr, base[run.seed].val_mr) for run in runs if run.name == name]))
    bare = [(run, run.val_mr_without_average, run.val_mr) for run in base.values()]
    known = [(run, value, against) for run, value, against in bare if value is not None]
    return [*found, _row(known, "base recipe, weights not averaged")] if known else found


def table(runs: Sequence[Run]) -> str:
    """The rows in Markdown."""
    lines = [
        "| recipe | val mR | against base | says | parameters, M | minutes | processor minutes |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows(runs):
        against, says = (f"{row.difference:+.2f}", row.verdict) if row.label != "base recipe" else ("", "")
        lines.append(
            f"| {row.label} | {row.val_mr:.2f} | {against} | {says} | {row.parameters / 1e6:.2f} | {row.minutes:.1f} | "
            f"{row.processor_minutes:.1f} |"
        )
    return "\n".join(lines)


def write_table(folder: Path, runs: Sequence[Run], steps: int, config: TrainingConfig) -> None:
    """Writes ``ablation.md`` and ``ablation.json``."""
    seeds = sorted({run.seed for run in runs})
    said = (
        f"{steps} steps of {config.batch_images} images at {config.image_size} px, seeds {seeds}, averaged weights "
        f"after the last step. In one seed nothing is concluded from less than {NOISE} mR."
    )
    (folder / "ablation.md").write_text(f"{said}\n\n{table(runs)}\n", encoding="utf-8")
    content = {
        "steps": steps,
        "seeds": seeds,
        "noise": NOISE,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "rows": [asdict(row) | {"says": row.verdict} for row in rows(runs)],
        "runs": [run.to_json() for run in runs],
    }
    (folder / "ablation.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _row(measured: Sequence[tuple[Run, float, float]], label: str = "") -> Row:
    """``measured``: a run each seed, what counts of it, and what it is compared with."""
    runs = [run for run, _, _ in measured]
    return Row(
        label or runs[0].label,
        fmean(value for _, value, _ in measured),
        fmean(value - against for _, value, against in measured),
        len(runs),
        runs[0].parameters,
        fmean(run.minutes for run in runs),
        fmean(run.processor_minutes for run in runs),
    )
