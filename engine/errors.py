"""The engine's error tree.

Every condition a user can cause has a subclass of :class:`EngineError`. Each carries an RPC code (stable, part of the
protocol), the values involved (``data``, JSON-ready) and the remedy in its message. The command line prints the message
and nothing else; the RPC server sends code, message and data.
"""

from __future__ import annotations

from typing import Any, ClassVar


class EngineError(Exception):
    """Base of all errors a user may see.

    Args:
        problem: what is wrong, naming the file or the value.
        remedy: what the user can do about it.
        data: the values involved, JSON-ready.
    """

    code: ClassVar[int] = -32000
    exit_status: ClassVar[int] = 1

    def __init__(self, problem: str, remedy: str, **data: Any) -> None:
        self.problem = problem
        self.remedy = remedy
        self.data = data
        super().__init__(f"{problem} {remedy}".strip())


class UsageError(EngineError):
    """An option or argument has a value that cannot be used."""

    code = -32010
    exit_status = 2


class RasterError(EngineError):
    """A raster is missing, cannot be read, or lacks what was asked of it."""

    code = -32020


class BandError(RasterError):
    """A band number does not exist in the raster."""

    code = -32021


class ModelError(EngineError):
    """A model is unknown, or its weights are missing, damaged or do not fit."""

    code = -32030


class DownloadError(ModelError):
    """Weights could not be fetched."""

    code = -32031


class IndexStoreError(EngineError):
    """The index cannot be read or written."""

    code = -32040


class OutputError(EngineError):
    """A result file exists already or cannot be written."""

    code = -32050


class MissingDependencyError(EngineError):
    """An optional package that the request needs is not installed."""

    code = -32060


class KeywordServiceError(EngineError):
    """The language model that finds keywords did not answer, or not as asked."""

    code = -32080


class WorkerError(EngineError):
    """The process that does the work of a request ended by itself, or was ended from outside."""

    code = -32090


class Cancelled(EngineError):
    """The user stopped the work; finished parts are kept."""

    code = -32070
    exit_status = 130

    def __init__(self) -> None:
        super().__init__("Cancelled.", "What was finished is kept; the same command goes on from there.")
