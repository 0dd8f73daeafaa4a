"""``mpsclip serve``: the engine for other programs, over its pipes."""

from __future__ import annotations

import argparse
import os
import sys

from engine.cli.command import Context

NAME = "serve"
HELP = "serve another program over standard input and output (docs/protocol.md)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``mpsclip serve``."""
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        help="of the log on standard error, where the client names none (default: info)",
    )
    parser.add_argument(
        "--grace", type=float, metavar="S", help="seconds a cancelled request may take to end in order (default: 5)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, context: Context) -> int:
    """Serves until the client leaves; does not return."""
    from engine.server.cancel import GRACE_SECONDS
    from engine.server.logs import DEFAULT_LEVEL
    from engine.server.server import Server
    from engine.server.streams import private_stdin, utf8_stderr

    utf8_stderr()
    level = args.log_level or ("debug" if args.debug else DEFAULT_LEVEL)
    grace = GRACE_SECONDS if args.grace is None else max(0.0, args.grace)
    # Standard output is out of everybody's reach already: engine.cli.streams.
    server = Server(private_stdin(), context.out.buffer, grace=grace, level=level)
    server.stop_on_signals()
    status = server.serve()
    sys.stderr.flush()
    os._exit(status)  # threads that read or look something up need not be waited for
