"""``mpsclip train``: trains a model."""

from __future__ import annotations

import argparse

from engine.cli.command import Context
from engine.train.cli import add_arguments as add_recipe_arguments

NAME = "train"
HELP = "train a model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of :mod:`engine.train.cli`."""
    add_recipe_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, context: Context) -> int:
    """Trains."""
    from engine.train.cli import run as train

    with context.working():
        return train(args, context.progress, context.print)
