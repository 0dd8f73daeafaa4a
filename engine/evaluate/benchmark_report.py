"""The report of several models on one split: a page, the same as JSON, and three pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.evaluate.bar_chart import BarRow, bar_chart
from engine.evaluate.measured import Measured, standard_error
from engine.evaluate.projection import projection_picture
from engine.evaluate.retrieval import KS
from engine.evaluate.scene_heatmap import NO_SCENE, hardest_first, scene_heatmap
from engine.resources import project_version
from engine.search.output import check_output, replacing
from engine.types import Json, Progress, ProgressSink, no_progress

PICTURES = ("recalls", "scenes", "tsne")
HEADER = ("model", "i2t R@1", "R@5", "R@10", "t2i R@1", "R@5", "R@10", "mR", "± s.e.", "mR pessimistic")


@dataclass(frozen=True, slots=True)
class BenchmarkReport:
    """What ``mpsclip eval`` prints and writes.

    Attributes:
        data_set: its name, "RSICD" or "RSITMD".
        split: of it.
        quarter_turns: whether each image was embedded as the mean of four quarter turns.
        measured: the models in the order asked for, all on the same images.
    """

    data_set: str
    split: str
    quarter_turns: bool
    measured: tuple[Measured, ...]

    def to_json(self) -> Json:
        """All figures, those of scenes included."""
        return {
            "data_set": self.data_set,
            "split": self.split,
            "quarter_turns": self.quarter_turns,
            "version": project_version(),
            "models": [entry.to_json() for entry in self.measured],
            "differences": self.differences(),
        }

    def rows(self) -> list[tuple[str, ...]]:
        """Of each model the cells below :data:`HEADER`."""
        return [
            (
                entry.report.model,
                *(f"{value:.2f}" for value in (*entry.report.i2t.expected, *entry.report.t2i.expected)),
                f"{entry.report.mean_recall:.2f}",
                f"{entry.error:.2f}",
                f"{entry.report.pessimistic_mean_recall:.2f}",
            )
            for entry in self.measured
        ]

    def differences(self) -> list[Json]:
        """mR of each further model less that of the first, with its standard error over their common images."""
        first, *others = self.measured
        return [
            {
                "model": entry.report.model,
                "against": first.report.model,
                "mR": round(entry.report.mean_recall - first.report.mean_recall, 4),
                "standard_error": round(standard_error(entry.image_means - first.image_means), 4),
            }
            for entry in others
        ]

    def difference_lines(self) -> list[str]:
        """The same in words."""
        return [
            f"{row['model']} less {row['against']}: mR {row['mR']:+.2f} ± {row['standard_error']:.2f}"
            for row in self.differences()
        ]

    def markdown(self, pictures: Sequence[str] = ()) -> str:
        """The page; ``pictures`` are names of files beside it."""
        first = self.measured[0]
        lines = [
            f"# {self._title()}",
            "",
            f"{len(first.labels):,} images, {first.captions:,} captions, all in percent.",
        ]
        lines += ["Each image is the mean of four quarter turns."] if self.quarter_turns else []
        lines += ["", *_markdown_table(HEADER, self.rows()), ""]
        lines += [
            "i2t: an image looks for its captions; t2i: a caption looks for its image; mR: mean of the six recalls. "
            "Equal scores are in random order (the expected value); pessimistic: what is wrong comes first among "
            "equals. s.e.: standard error of mR over the images.",
            "",
        ]
        if self.differences():
            lines += ["Differences, with their standard error over the images, which are the same for all:", ""]
            lines += [*(f"- {line}" for line in self.difference_lines()), ""]
        lines += [line for name in pictures for line in (f"![{self._title()}]({name})", "")]
        lines += ["## By scene", ""]
        lines += _markdown_table(*self._scenes())
        figures = "mR of each model" if len(self.measured) > 1 else "Mean of both directions"
        lines += ["", f"{figures}; every scene looks in the whole split. The hardest comes first.", ""]
        lines += ["## Models", ""]
        lines += [
            f"- {entry.report.model}: {entry.identity.architecture}, weights sha256 {entry.identity.weights}"
            for entry in self.measured
        ]
        return "\n".join([*lines, "", f"mpsclip {project_version()}", ""])

    def write(self, folder: Path, pictures: bool = True, progress: ProgressSink = no_progress) -> list[Path]:
        """Writes :func:`report_files` and returns them; each takes its place when it is complete.

        Raises:
            OutputError: a file cannot be written.
            MissingDependencyError: pictures are asked for and matplotlib is missing.
        """
        page, values, *drawn = report_files(folder, self.data_set, self.split, pictures)
        with replacing(values) as file:
            file.write_text(json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with replacing(page) as file:
            file.write_text(self.markdown([path.name for path in drawn]), encoding="utf-8")
        for number, (name, path) in enumerate(zip(PICTURES, drawn, strict=False)):
            progress(Progress("draw pictures", number, len(drawn)))
            with replacing(path) as file:
                self._draw(name, file)
        if drawn:
            progress(Progress("draw pictures", len(drawn), len(drawn)))
        return [page, values, *drawn]

    def _draw(self, name: str, file: Path) -> None:
        if name == "recalls":
            rows = [
                BarRow(
                    e.report.model,
                    (e.report.mean_recall,),
                    e.report.i2t.expected,
                    e.report.t2i.expected,
                    error=e.error,
                )
                for e in self.measured
            ]
            bar_chart(rows, file, self._title())
        elif name == "scenes":
            scene_heatmap(self.measured, file, f"{self._title()}: recall by scene")
        else:
            projection_picture([(e.report.model, e.embeddings, e.labels) for e in self.measured], file)

    def _title(self) -> str:
        return f"{self.data_set} {self.split}"

    def _scenes(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Header and rows by scene: mR of several models, or all recalls of one."""
        several = len(self.measured) > 1
        names = [entry.report.model for entry in self.measured] if several else [*(f"R@{k}" for k in KS), "mR"]
        rows = []
        for scene in hardest_first(self.measured):
            of = [row for entry in self.measured for row in entry.scenes if row.scene == scene.scene]
            values = [row.mean_recall for row in of] if several else [*of[0].both, of[0].mean_recall]
            rows.append((scene.scene or NO_SCENE, str(scene.images), *(f"{value:.1f}" for value in values)))
        return ("scene", "images", *names), rows


def report_files(folder: Path, data_set: str, split: str, pictures: bool = True) -> list[Path]:
    """The page, the values, and, with ``pictures``, those of :data:`PICTURES`."""
    stem = f"{data_set.lower()}-{split}"
    names = [f"{stem}.md", f"{stem}.json", *(f"{stem}-{name}.png" for name in PICTURES if pictures)]
    return [folder / name for name in names]


def check_report_files(files: Sequence[Path], overwrite: bool) -> None:
    """Whether a report can be written later.

    Raises:
        OutputError: a file exists already, or the folder cannot be written.
    """
    for file in files:
        check_output(file, overwrite, (file.suffix,))


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]
