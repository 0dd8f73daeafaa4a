"""``mpsclip parity``: this project's models against reference tensors."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.cli.command import Context
from engine.errors import OutputError

NAME = "parity"
HELP = "compare a model's outputs and losses with reference tensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``mpsclip parity``."""
    parser.add_argument(
        "prefix",
        metavar="PREFIX",
        help="of PREFIX.json, PREFIX.weights.safetensors and PREFIX.io.safetensors",
    )
    parser.add_argument(
        "--dump", type=Path, metavar="OUT.safetensors", help="write what was computed, under the same names"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, context: Context) -> int:
    """Prints the largest absolute difference of each output and loss as one JSON object."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from engine.train.parity.check import check

    with context.working():
        report, computed = check(args.prefix)
        if args.dump is not None:
            try:
                save_file({name: value.contiguous() for name, value in computed.items()}, args.dump)
            except (OSError, SafetensorError) as error:
                raise OutputError(
                    f"{args.dump} cannot be written: {error}.", "Choose another file.", path=str(args.dump)
                ) from error
    context.print_json(report)
    return 0
