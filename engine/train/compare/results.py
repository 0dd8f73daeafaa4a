"""What the runs say together: rows over seeds, what may be concluded, and which parts make the best combination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev

from engine.train.compare.rows import ABLATIONS, OSDPM, UNCLUSTERED, Row
from engine.train.packaged.ablation_table import NOISE
from engine.types import Json


@dataclass(frozen=True, slots=True)
class Run:
    """One row in one seed.

    Attributes:
        name: of the row.
        label: in words.
        parts: of the row, sorted.
        against: the row that it is compared with.
        seed: of the run.
        settings: digest of all that it depends on.
        val: recalls on val of the averaged weights after the last step.
        val_mr: their mean, percent.
        overlap: of the categories of val, 0..1; None where no scene has two images.
        loss: running mean at the end; of another objective, so not to be compared between rows.
        trained: parameters that the run trained, of the network alone.
        parameters: of the whole model.
        minutes: of training, by the clock.
        processor_minutes: the same in processor time, which a busy machine does not stretch.
        scene_accuracy: of the scene prior on val, 0..1, where the row has one.
    """

    name: str
    label: str
    parts: list[str]
    against: str
    seed: int
    settings: str
    val: Json
    val_mr: float
    overlap: float | None
    loss: float
    trained: int
    parameters: int
    minutes: float
    processor_minutes: float
    scene_accuracy: float | None

    def to_json(self) -> Json:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Summary:
    """A row over its seeds; means where there are several.

    Attributes:
        name, label: of the row.
        val_mr: of each seed.
        difference: mean of the differences from the same seeds' runs of the row that it is compared with; None: itself.
        says: what that difference says: gain, loss or nothing.
        test_mr: of each seed, where test was read.
        overlap: None where it could not be measured.
    """

    name: str
    label: str
    val_mr: tuple[float, ...]
    difference: float | None
    says: str
    test_mr: tuple[float, ...]
    overlap: float | None
    trained: int
    parameters: int
    minutes: float
    processor_minutes: float


def spread(runs: Sequence[Run]) -> float:
    """The standard deviation of val mR over seeds, pooled over the rows; with one seed alone what is known as noise.

    The latter was measured with the packaged model's training, between runs that differ in their seed alone.
    """
    drawn = [run for run in runs if run.trained]  # what trains nothing is the same in every seed
    of_rows = [[run.val_mr for run in drawn if run.name == name] for name in {run.name for run in drawn}]
    variances = [stdev(values) ** 2 for values in of_rows if len(values) > 1]
    return fmean(variances) ** 0.5 if variances else NOISE


def threshold(runs: Sequence[Run]) -> float:
    """The difference of val mR below which nothing is concluded.

    The spread; no less than the known noise of a mean over so many seeds, since a spread over few may be small by
    chance.
    """
    seeds = len({run.seed for run in runs})
    return float(max(spread(runs), NOISE / max(1, seeds) ** 0.5))


def summaries(runs: Sequence[Run], tests: dict[tuple[str, int], float]) -> list[Summary]:
    """One for each row, in the order of the runs; ``tests``: test mR by row and seed."""
    within = threshold(runs)
    found = {(run.name, run.seed): run for run in runs}
    rows = []
    for name in dict.fromkeys(run.name for run in runs):
        own = [run for run in runs if run.name == name]
        pairs = [(run, found.get((run.against, run.seed))) for run in own if run.against != name]
        differences = [run.val_mr - other.val_mr for run, other in pairs if other is not None]
        difference = fmean(differences) if differences else None
        overlaps = [run.overlap for run in own if run.overlap is not None]
        rows.append(
            Summary(
                name=name,
                label=own[0].label,
                val_mr=tuple(run.val_mr for run in own),
                difference=difference,
                says=verdict(differences, within),
                test_mr=tuple(tests[name, run.seed] for run in own if (name, run.seed) in tests),
                overlap=fmean(overlaps) if overlaps else None,
                trained=own[0].trained,
                parameters=own[0].parameters,
                minutes=fmean(run.minutes for run in own),
                processor_minutes=fmean(run.processor_minutes for run in own),
            )
        )
    return rows


def verdict(differences: Sequence[float], within: float) -> str:
    """What differences in the same seeds say: nothing where their mean is less than ``within``, a :func:`threshold`,
    or where the seeds do not agree on the sign; empty without any.
    """
    if not differences:
        return ""
    agree = len({difference > 0 for difference in differences}) == 1
    if abs(fmean(differences)) < within or not agree:
        return "nothing"
    return "gain" if differences[0] > 0 else "loss"


def part_gains(runs: Sequence[Run], ablations: Sequence[Row] = ABLATIONS) -> dict[str, float]:
    """For each part, what its system loses in val mR without it, mean over the seeds that have both runs."""
    found = {(run.name, run.seed): run.val_mr for run in runs}
    seeds = sorted({run.seed for run in runs})
    gains: dict[str, float] = {}
    for row in ablations:
        pairs = [(found.get((row.against, seed)), found.get((row.name, seed))) for seed in seeds]
        known = [whole - without for whole, without in pairs if whole is not None and without is not None]
        if row.without is not None and known:
            gains[row.without] = fmean(known)
    return gains


def overlap_differences(runs: Sequence[Run]) -> dict[int, float]:
    """By seed, the overlap of OSDPM less that of OSDPM without its clustering; below 0 it parts the scenes."""
    found = {(run.name, run.seed): run.overlap for run in runs}
    pairs = {
        seed: (found.get((OSDPM, seed)), found.get((UNCLUSTERED, seed))) for seed in sorted({r.seed for r in runs})
    }
    return {
        seed: whole - without for seed, (whole, without) in pairs.items() if whole is not None and without is not None
    }


def best_parts(gains: dict[str, float]) -> list[str]:
    """The rule of the best combination: every part that its system is the worse without, however little."""
    return [part for part, gain in gains.items() if gain > 0]
