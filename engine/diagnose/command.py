"""``mpsclip doctor``: the arguments and what is printed. Runs without any package (:mod:`engine.diagnose`)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from engine.diagnose.doctor import examine
from engine.diagnose.finding import Finding
from engine.diagnose.page import markdown
from engine.diagnose.profiles import AUTO, CHOICES

NAME = "doctor"
HELP = "check this installation"
Print = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``mpsclip doctor``."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the report as one JSON object")
    form.add_argument(
        "--markdown", action="store_true", help="print one page for an issue, without names of people and machines"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder of the index (default: the user's cache)")
    parser.add_argument("--device", metavar="NAME", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument(
        "--profile",
        choices=CHOICES,
        default=AUTO,
        help="what was installed: engine, samgeo (with the SamGeo segmenters), or auto: what is found (default)",
    )


def report(args: argparse.Namespace, show: Print) -> int:
    """Prints every finding; returns the exit status: 1 if one of them is bad."""
    findings = []
    for finding in examine(args.cache, args.device, args.profile):
        findings.append(finding)
        if not args.json and not args.markdown:
            show(_line(finding))
    healthy = all(finding.ok for finding in findings)
    if args.json:
        rows = [asdict(finding) for finding in findings]
        show(json.dumps({"healthy": healthy, "findings": rows}, ensure_ascii=False))
    if args.markdown:
        show(markdown(findings).rstrip("\n"))
    return 0 if healthy else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The command alone, where the others cannot even be imported."""
    parser = argparse.ArgumentParser(prog=f"mpsclip {NAME}", description=HELP)
    add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    with open(sys.stdout.fileno(), "w", encoding="utf-8", errors="replace", closefd=False) as out:
        try:
            return report(args, lambda text: print(text, file=out, flush=True))
        except KeyboardInterrupt:
            return 130
        except BrokenPipeError:
            return 1  # the reader of the output has gone; there is nobody to tell


def _line(finding: Finding) -> str:
    state = "ok " if finding.ok else "BAD"
    detail, remedy = finding.detail, finding.remedy
    if remedy and not detail.endswith((".", "!", "?")):
        detail += "."  # what follows is a sentence of its own
    words = " ".join(part for part in (detail, remedy) if part)
    return f"{state}  {finding.check}: {words} ({finding.seconds:.1f} s)"
