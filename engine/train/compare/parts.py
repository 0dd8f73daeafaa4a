"""A system's parts on the packaged model: ``mpsclip train parts``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from engine.errors import UsageError
from engine.models.compact.parts_file import write_parts
from engine.train.compare.backbone import PACKAGED
from engine.train.compare.config import CompareConfig, with_steps
from engine.train.compare.measure import measure
from engine.train.compare.rows import MAIN, SYSTEMS, Row
from engine.train.compare.run import open_bench, open_start
from engine.train.compare.train_row import train_row
from engine.types import ProgressSink, no_progress

FILES = {"mps-clip": "mps-mini.safetensors", "prior-clip": "prior-mini.safetensors", "osdpm": "osdpm-mini.safetensors"}


def train_parts(
    system: str,
    data: Path,
    out: Path,
    *,
    steps: int | None = None,
    seed: int = 0,
    config: CompareConfig | None = None,
    progress: ProgressSink = no_progress,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Trains a system's parts as the comparison does on the packaged backbone, and writes them to one small file.

    Args:
        system: one of the rows' systems.
        data: folder of RSICD, or laid out like it.
        out: folder; gets the file, and ``packaged/`` with what is kept of pictures and texts, as a comparison has it.
        steps: None: as ``config`` says.
        seed: of the run.
        config: the recipe; None: the usual one.
        progress: told after each step; may stop.
        say: given the outcome.

    Returns:
        The file.

    Raises:
        UsageError: there is no such system, or the data cannot be used.
        OutputError: the folder or the file cannot be written.
    """
    if system not in SYSTEMS:
        raise UsageError(f"There is no system {system!r}.", f"Choose one of: {', '.join(SYSTEMS)}.", system=system)
    config = with_steps(config or CompareConfig(), steps)
    bench = open_bench(data, out / PACKAGED, PACKAGED, config, progress)
    start, begun = open_start(bench, seed)
    row: Row = next(row for row in MAIN if row.name == system)
    trained = train_row(row, seed, bench.backbone, bench.data, bench.caches, start, config, bench.device, progress)
    report, _ = measure(trained.net, bench.data.val, bench.caches.val, bench.caches.val_texts)
    file = out / FILES[system]
    training = {"system": system, "seed": seed, "val_mR": round(report.mean_recall, 4), **asdict(config)}
    write_parts(file, trained.net.system, bench.base, training)
    say(f"val mR {report.mean_recall:.2f} after {begun['val_mR']:.2f} without the parts; {trained.minutes:.1f} min")
    return file
