"""``mpsclip doctor``: whether this installation works, as a report to paste into an issue."""

from __future__ import annotations

import argparse

from engine.cli.command import Context
from engine.diagnose import command

NAME = command.NAME
HELP = command.HELP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``mpsclip doctor``."""
    command.add_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, context: Context) -> int:
    """Prints every finding; 1 if one of them is bad."""
    with context.working():
        return command.report(args, context.print)
