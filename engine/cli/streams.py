"""Standard output for results only."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def result_stream() -> Iterator[TextIO]:
    """The real standard output, for results; while it is held, whatever else writes to descriptor 1 (libraries in any
    language included) goes to standard error.
    """
    sys.stdout.flush()
    real = os.dup(1)
    os.dup2(2, 1)
    try:
        with open(real, "w", encoding="utf-8", errors="replace", closefd=False) as stream:
            yield stream
    finally:
        # Order matters: what Python still buffers belongs to standard error.
        sys.stdout.flush()
        os.dup2(real, 1)
        os.close(real)
