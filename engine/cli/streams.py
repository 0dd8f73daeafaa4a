"""Standard output for results only."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO


@contextmanager
def result_stream() -> Iterator[TextIO]:
    """The real standard output, for results. While it is held, all else that is printed goes to standard error:
    through ``sys.stdout`` as well as through descriptor 1, to which libraries in C write and which children inherit.
    """
    sys.stdout.flush()
    real = os.dup(1)
    os.dup2(2, 1)
    try:
        with open(real, "w", encoding="utf-8", errors="replace", closefd=False) as stream, redirect_stdout(sys.stderr):
            yield stream
    finally:
        os.dup2(real, 1)
        os.close(real)
