"""What appears on standard error beside progress: the engine's own notes, and libraries' messages with ``--debug``."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]  # not subscriptable at run time
    """Prints the engine's warnings as notes; of libraries only what is worse than that."""

    def filter(self, record: logging.LogRecord) -> bool:
        # rasterio logs what GDAL says before it raises; the error tells it once more.
        least = logging.WARNING if _is_own(record) else logging.ERROR
        return record.levelno >= least and not record.name.startswith("rasterio")

    def format(self, record: logging.LogRecord) -> str:
        return f"mpsclip: {'note' if _is_own(record) else record.name}: {record.getMessage()}"


@contextmanager
def messages(debug: bool) -> Iterator[None]:
    """Sets up logging and warnings while it is entered."""
    root = logging.getLogger()
    level = root.level
    handler = logging.StreamHandler(sys.stderr) if debug else _Handler(sys.stderr)
    if debug:
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    try:
        with warnings.catch_warnings():
            if not debug:
                warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def _is_own(record: logging.LogRecord) -> bool:
    return record.name.split(".")[0] == "engine"
