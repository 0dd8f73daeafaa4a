"""``mpsclip train``: arguments and dispatch."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.errors import MissingDependencyError
from engine.types import ProgressSink, no_progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``mpsclip train``."""
    parser.add_argument("recipe", choices=["packaged"], help="what to train: the packaged model")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of RSICD")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for checkpoints and the report")
    parser.add_argument("--start", type=Path, metavar="FILE", help="go on from the weights of this checkpoint")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="JSON file whose keys replace the recipe's settings"
    )


def run(args: argparse.Namespace, progress: ProgressSink = no_progress) -> int:
    """Trains as the arguments say; 0 when done."""
    try:
        from engine.train.packaged.run import train_packaged
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"Training needs the package {error.name}.", "Install it with: pip install 'mpsclip[train]'."
        ) from error
    train_packaged(args.data, args.out, args.config, progress, args.start)
    return 0
