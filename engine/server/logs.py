"""The log: lines on standard error, and the engine's own notes to the client."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import suppress

from engine.types import Json

DEFAULT_LEVEL = "info"
_FORMAT = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

LOCAL_ONLY = {"local_only": True}
"""``extra`` of a record that goes to standard error alone, such as a traceback."""


def set_up(level: str, tell: Callable[[Json], None]) -> None:
    """Sends records to standard error and, those of the engine itself, to ``tell`` as ``{level, message}``.

    Libraries are heard from errors upwards; with level ``debug`` all is heard, of them on standard error only.
    Takes the place of what was set up before.
    """
    least = _LEVELS[level]
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(logging.Formatter(_FORMAT))
    lines.addFilter(lambda record: record.levelno >= (least if _is_own(record) else _of_libraries(least)))
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(lines)
    root.addHandler(_Teller(least, tell))
    root.setLevel(least)


class _Teller(logging.Handler):
    def __init__(self, level: int, tell: Callable[[Json], None]) -> None:
        super().__init__(level)
        self._tell = tell
        self.addFilter(lambda record: _is_own(record) and not getattr(record, "local_only", False))

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError):  # the other side has gone, which is noticed elsewhere
            self._tell({"level": record.levelname.lower(), "message": record.getMessage()})


def _of_libraries(least: int) -> int:
    return logging.DEBUG if least <= logging.DEBUG else max(least, logging.ERROR)


def _is_own(record: logging.LogRecord) -> bool:
    return record.name.split(".")[0] == "engine"
