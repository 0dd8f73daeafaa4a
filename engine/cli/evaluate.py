"""``mpsclip eval``: retrieval metrics on data sets."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.command import Context, table
from engine.errors import EngineError, UsageError
from engine.files import make_folder

if TYPE_CHECKING:
    from engine.datasets.rsicd import CaptionedImage
    from engine.evaluate.benchmark_report import BenchmarkReport
    from engine.evaluate.measured import Measured

NAME = "eval"
HELP = "measure models on a data set"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds ``eval rsicd`` and ``eval rsitmd``."""
    data_sets = parser.add_subparsers(title="data sets", metavar="DATASET", required=True, parser_class=type(parser))
    rsicd = data_sets.add_parser("rsicd", help="image-text retrieval on RSICD (Lu et al. 2018)")
    rsicd.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with SPLIT.jsonl and images/")
    rsicd.add_argument("--split", choices=("val", "test"), required=True, help="choose on val; read test once")
    rsitmd = data_sets.add_parser("rsitmd", help="image-text retrieval on RSITMD (Yuan et al. 2022)")
    rsitmd.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with rsitmd_SPLIT.json, images")
    rsitmd.add_argument("--split", choices=("val", "test"), default="test", help="choose on val (default: test)")
    for data_set, name in ((rsicd, "RSICD"), (rsitmd, "RSITMD")):
        data_set.add_argument("--model", metavar="ID", action="append", help="may be given several times")
        data_set.add_argument("--device", metavar="NAME", default="auto", help="auto, cpu, cuda or mps (default: auto)")
        data_set.add_argument("--quarter-turns", action="store_true", help="average each image over four quarter turns")
        data_set.add_argument("--json", action="store_true", help="print the result as one JSON object")
        data_set.add_argument(
            "--out", type=Path, metavar="DIR", help="write a page, JSON and pictures into this folder"
        )
        data_set.add_argument("--no-pictures", action="store_true", help="with --out: without matplotlib's pictures")
        data_set.add_argument("--overwrite", action="store_true", help="with --out: replace an earlier report")
        data_set.set_defaults(run=_run, data_set=name)


def _run(args: argparse.Namespace, context: Context) -> int:
    from engine.evaluate.benchmark_report import BenchmarkReport
    from engine.evaluate.measured import told_apart
    from engine.evaluate.rsicd import QUARTER_TURNS, UPRIGHT, measure_images
    from engine.models.catalogue import DEFAULT_MODEL, catalogue
    from engine.models.registry import load_model

    names = list(dict.fromkeys(args.model or [DEFAULT_MODEL]))
    for name in names:
        if ":" not in name:
            catalogue().get(name)  # a wrong name shows before the first model is measured
    turns = QUARTER_TURNS if args.quarter_turns else UPRIGHT
    with context.working():
        images = _read(args)
        _check_out(args, len(images))
        measured: list[Measured] = []

        def report() -> BenchmarkReport:
            return BenchmarkReport(args.data_set, args.split, args.quarter_turns, told_apart(measured, names))

        try:
            for name in names:
                model = load_model(name, args.device, context.progress)
                measured.append(measure_images(model, images, args.split, context.progress, turns))
        except EngineError:
            if measured and args.out is not None:
                report().write(args.out, pictures=False)  # what was measured until then is not lost
            raise
        files = [] if args.out is None else report().write(args.out, not args.no_pictures, context.progress)
    _print(report(), files, args.json, context)
    return 0


def _read(args: argparse.Namespace) -> Sequence[CaptionedImage]:
    if args.data_set == "RSICD":
        from engine.datasets.rsicd import read_split

        return read_split(args.data, args.split)
    from engine.datasets.rsitmd import read_rsitmd

    return read_rsitmd(args.data, args.split)


def _check_out(args: argparse.Namespace, images: int) -> None:
    """Whether the report can be written, before anything is computed."""
    from engine.evaluate.benchmark_report import check_report_files, report_files
    from engine.evaluate.figure import need_matplotlib
    from engine.evaluate.projection import FEWEST

    if args.out is None:
        return
    if not args.no_pictures:
        need_matplotlib()
        if images < FEWEST:
            raise UsageError(
                f"A split of {images} images has no picture of its embeddings, which needs {FEWEST}.",
                "Leave pictures out with --no-pictures, or measure more images.",
                images=images,
            )
    make_folder(args.out)
    check_report_files(report_files(args.out, args.data_set, args.split, not args.no_pictures), args.overwrite)


def _print(report: BenchmarkReport, files: Sequence[Path], as_json: bool, context: Context) -> None:
    from engine.evaluate.benchmark_report import HEADER

    if as_json:
        whole = report.to_json()
        # One model, as a rule: then the object is its report.
        context.print_json(whole["models"][0] if len(whole["models"]) == 1 else whole)
        return
    context.print(*table(("data", *HEADER), [(f"{report.data_set} {report.split}", *row) for row in report.rows()]))
    context.print(*report.difference_lines())
    context.print(*(str(file) for file in files))
