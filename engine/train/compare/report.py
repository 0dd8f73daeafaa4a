"""The comparison as Markdown, JSON and a bar chart."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev

import torch

from engine.evaluate.bar_chart import BarRow, bar_chart
from engine.train.compare.config import CompareConfig
from engine.train.compare.results import Run, Summary, overlap_differences, part_gains, spread, summaries, threshold
from engine.train.compare.rows import BEST, LABELS, MAIN
from engine.train.kept_files import write_text
from engine.types import Json

MARKDOWN, JSON, CHART = "comparison.md", "comparison.json", "comparison.png"


def write_report(
    out: Path,
    runs: Sequence[Run],
    backbone: str,
    side: int,
    config: CompareConfig,
    starts: dict[int, Json],
    speeds: dict[str, float],
    tests: dict[tuple[str, int], Json],
) -> None:
    """Writes the three files.

    Args:
        out: folder.
        runs: at least one.
        backbone: its name.
        side: pixels at which it sees images.
        config: of all runs.
        starts: for each seed val mR of the common start and the accuracy of its scene prior.
        speeds: tiles a second by row.
        tests: reports on test by row and seed.
    """
    rows = summaries(runs, {key: float(report["mR"]) for key, report in tests.items()})
    seeds = sorted({run.seed for run in runs})
    said = _said(runs, backbone, side, config, starts, seeds)
    lines = [*said, "", table(rows, speeds), "", *_parts(runs), *_overlap(runs, starts)]
    write_text(out / MARKDOWN, "\n".join(lines) + "\n")
    content = {
        "backbone": backbone,
        "config": asdict(config),
        "seeds": seeds,
        "spread": spread(runs),
        "nothing_below": threshold(runs),
        "side": side,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "starts": {str(seed): start for seed, start in starts.items()},
        "part_gains": part_gains(runs),
        "overlap_differences": {str(seed): value for seed, value in overlap_differences(runs).items()},
        "rows": [asdict(row) | {"tiles_a_second": speeds.get(row.name)} for row in rows],
        "runs": [run.to_json() for run in runs],
        "test": [{"name": name, "seed": seed, "report": report} for (name, seed), report in tests.items()],
    }
    write_text(out / JSON, json.dumps(content, indent=1) + "\n")
    main = {row.name for row in MAIN} | {BEST}
    bars = [
        BarRow(row.label, row.val_mr, section="systems" if row.name in main else "one part off")
        for row in sorted(rows, key=lambda row: row.name not in main)
    ]
    bar_chart(bars, out / CHART, f"{backbone} backbone, {config.steps} steps", "val mR, %")


def table(rows: Sequence[Summary], speeds: dict[str, float]) -> str:
    """The rows in Markdown; ± is the standard deviation over seeds."""
    with_test = any(row.test_mr for row in rows)
    heads = ["system", "val mR", "difference", "says", *(["test mR"] if with_test else []), "overlap"]
    heads += ["parameters, M: trained / all", "tiles/s", "minutes", "processor minutes"]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for row in rows:
        speed = speeds.get(row.name)
        cells = [
            row.label,
            _mean(row.val_mr),
            "" if row.difference is None else f"{row.difference:+.2f}",
            row.says,
            *([_mean(row.test_mr)] if with_test else []),
            "" if row.overlap is None else f"{row.overlap:.3f}",
            f"{row.trained / 1e6:.2f} / {row.parameters / 1e6:.2f}",
            "" if speed is None else f"{speed:.0f}",
            f"{row.minutes:.1f}",
            f"{row.processor_minutes:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _mean(values: Sequence[float]) -> str:
    if not values:
        return ""
    deviation = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
    return f"{fmean(values):.2f}{deviation}"


def _said(
    runs: Sequence[Run], backbone: str, side: int, config: CompareConfig, starts: dict[int, Json], seeds: list[int]
) -> list[str]:
    accuracies = [float(start["scene_accuracy"]) for start in starts.values()]
    begun = [float(start["val_mR"]) for start in starts.values()]
    return [
        f"Backbone {backbone}; {config.steps} steps of {config.batch} pairs at {side} px, seeds {seeds}, "
        "averaged weights after the last step, no choosing among steps. A system is compared with the plain backbone, "
        f"a system without a part with that system. Nothing is concluded from less than {threshold(runs):.2f} mR: "
        "the spread over seeds, or what is known as noise of a mean over so many seeds where that is more; nor where "
        "the seeds do not agree on the sign.",
        "",
        f"All runs of a seed begin at val mR {_mean(begun)}. The scene prior names {100 * fmean(accuracies):.1f} % of "
        "the scenes of val. Overlap: share of the nearest neighbours of val's images that are of another scene.",
    ]


def _parts(runs: Sequence[Run]) -> list[str]:
    """What each part is worth to its system, and so the best combination."""
    gains = part_gains(runs)
    if not gains:
        return []
    named = ", ".join(f"{LABELS[part]} {gain:+.2f}" for part, gain in gains.items())
    return [
        f"Worth of the parts, val mR of a system less that of the system without the part: {named}. The best "
        "combination has every part whose worth is above 0."
    ]


def _overlap(runs: Sequence[Run], starts: dict[int, Json]) -> list[str]:
    """What the clustering does to the overlap of the scenes."""
    found = overlap_differences(runs)
    if not found:
        return []
    mean = fmean(found.values())
    says = "nothing" if mean == 0 else "gain" if mean < 0 else "loss"
    each = ", ".join(f"seed {seed}: {value:+.4f}" for seed, value in found.items())
    if min(found.values()) < 0 < max(found.values()):
        each += "; the seeds disagree"
    chance = next((start["chance_overlap"] for start in starts.values() if start["chance_overlap"] is not None), None)
    beside = "" if chance is None else f" Embeddings that know nothing of the scenes overlap by {chance:.3f}."
    return [
        "",
        f"Overlap of OSDPM less that of OSDPM with OSFCM off: {mean:+.4f}, {says} ({each}; lower is a gain, higher a "
        f"loss).{beside}",
    ]
