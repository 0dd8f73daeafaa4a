"""``mpsclip eval``: retrieval metrics on data sets."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.cli.command import Context, table

NAME = "eval"
HELP = "measure models on a data set"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds ``eval rsicd``."""
    data_sets = parser.add_subparsers(title="data sets", metavar="DATASET", required=True, parser_class=type(parser))
    rsicd = data_sets.add_parser("rsicd", help="image-text retrieval on RSICD (Lu et al. 2018)")
    rsicd.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with SPLIT.jsonl and images/")
    rsicd.add_argument("--split", choices=("val", "test"), required=True, help="choose on val; read test once")
    rsicd.add_argument("--model", metavar="ID", action="append", help="may be given several times")
    rsicd.add_argument("--device", metavar="NAME", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    rsicd.add_argument("--quarter-turns", action="store_true", help="average each image over four quarter turns")
    rsicd.add_argument("--json", action="store_true", help="print the result as one JSON object")
    rsicd.set_defaults(run=_rsicd)


def _rsicd(args: argparse.Namespace, context: Context) -> int:
    from engine.evaluate.rsicd import QUARTER_TURNS, UPRIGHT, evaluate_rsicd
    from engine.models.catalogue import DEFAULT_MODEL
    from engine.models.registry import load_model

    turns = QUARTER_TURNS if args.quarter_turns else UPRIGHT
    reports = []
    with context.working():
        for name in dict.fromkeys(args.model or [DEFAULT_MODEL]):
            model = load_model(name, args.device, context.progress)
            reports.append(evaluate_rsicd(model, args.data, args.split, context.progress, turns).to_json())
    if args.json:
        # One model, as a rule: then the object is its report.
        context.print_json(reports[0] if len(reports) == 1 else {"models": reports})
        return 0
    header = ("model", "split", "i2t R@1", "R@5", "R@10", "t2i R@1", "R@5", "R@10", "mR", "mR pessimistic")
    rows = [
        (
            str(report["model"]),
            str(report["split"]),
            *(f"{value:.2f}" for way in ("i2t", "t2i") for value in report[way].values()),
            f"{report['mR']:.2f}",
            f"{report['mR_pessimistic']:.2f}",
        )
        for report in reports
    ]
    context.print(*table(header, rows))
    return 0
