"""The pipes for frames, out of reach of everything else in the process."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO


def private_stdin() -> BinaryIO:
    """The real standard input, unbuffered. Libraries and children that read theirs find it empty."""
    real = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return os.fdopen(real, "rb", buffering=0)


def private_stdout() -> BinaryIO:
    """The real standard output. Whatever else is printed goes to standard error from here on: through ``sys.stdout`` as
    well as through descriptor 1, to which libraries in C write and which children inherit.
    """
    sys.stdout.flush()
    real = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return os.fdopen(real, "wb")


def utf8_stderr() -> None:
    """The log is UTF-8 whatever the locale, and what cannot be written is escaped."""
    reconfigure = getattr(sys.stderr, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
