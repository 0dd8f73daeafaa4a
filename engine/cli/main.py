"""The command ``mpsclip``: arguments, dispatch, exit codes.

Commands import what they need when they run, so that ``--help`` and wrong use answer at once.
"""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from engine.cli import demo, doctor, evaluate, index, models, parity, search, segmenters, serve, train
from engine.cli.command import Context
from engine.cli.interrupt import Interrupt
from engine.cli.messages import messages
from engine.cli.progress import ProgressBars
from engine.cli.streams import result_stream
from engine.errors import EngineError, UsageError
from engine.resources import project_version

COMMANDS = (search, index, models, segmenters, demo, doctor, evaluate, train, parity, serve)


class _Parser(argparse.ArgumentParser):
    """Answers wrong use with one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(UsageError.exit_status, f"{self.prog}: {message}. See: {self.prog} --help\n")


class _Version(argparse.Action):
    """Reads the version when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"mpsclip {project_version()}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """All commands with their arguments; the chosen one's function is ``run`` of the namespace."""
    parser = _Parser(prog="mpsclip", description="Search georeferenced imagery in plain words.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    for command in COMMANDS:
        child: argparse.ArgumentParser = commands.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.add_arguments(child)
    for leaf in _leaves(parser):
        leaf.add_argument("--debug", action="store_true", help="show tracebacks and all messages of libraries")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status (0 done, 2 wrong use, 130 interrupted, 1 anything else)."""
    args = build_parser().parse_args(arguments)
    interrupt = Interrupt()
    # Until a command's work begins, Ctrl-C ends the process at once: no handler of ours could run while libraries load.
    previous = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        with messages(args.debug), result_stream() as out, ProgressBars(interrupt) as progress:
            return int(args.run(args, Context(out, progress, interrupt)))
    except EngineError as error:
        if interrupt.requested():
            interrupt.leave()
        return _failed(str(error), error.exit_status, args.debug)
    except BrokenPipeError:
        return 1  # the reader of the output has gone; there is nobody to tell
    except Exception as error:  # the one place where whatever went wrong becomes one line
        what = " ".join(str(error).split()) or "no message"
        return _failed(f"{type(error).__name__}: {what}. The same command with --debug shows more.", 1, args.debug)
    finally:
        signal.signal(signal.SIGINT, previous)


def _failed(message: str, status: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"mpsclip: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return status


def _leaves(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parsers that no further command follows."""
    children = [
        child
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for child in action.choices.values()
    ]
    return [leaf for child in children for leaf in _leaves(child)] if children else [parser]
