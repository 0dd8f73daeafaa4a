"""The plugin's error tree: each error names the problem and the remedy, both translated and ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qgis_mpsclip.i18n import tr

CANCELLED = -32800
CRASHED = -32001
MISSING = -32002
PROTOCOL = -32003


class MpsClipError(Exception):
    """Base of all errors a user may see.

    Args:
        problem: what is wrong, naming the file or the value.
        remedy: what the user can do about it; may be empty.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem} {remedy}".strip())


class EngineError(MpsClipError):
    """The engine refused or failed a request, or could not be reached.

    Args:
        code: as in docs/protocol.md; codes of the plugin's own are the constants above.
        data: the values involved.
    """

    def __init__(
        self, problem: str, remedy: str = "", code: int = PROTOCOL, data: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(problem, remedy)
        self.code = code
        self.data = dict(data or {})


class EngineMissing(EngineError):
    """No interpreter that could run the engine was found."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy, MISSING)


class EngineCrashed(EngineError):
    """The engine ended while something was asked of it, or did not start; as text with the last lines of its log.

    Attributes:
        log: the last lines of its log.
        log_file: the whole log.
    """

    def __init__(self, problem: str, remedy: str, log: str = "", log_file: str = "") -> None:
        super().__init__(problem, remedy, CRASHED)
        self.log = log
        self.log_file = log_file

    def __str__(self) -> str:
        parts = [super().__str__()]
        if self.log:
            parts += [tr("Last lines of the log {file}:").format(file=self.log_file), self.log]
        return "\n".join(parts)


class EngineCancelled(EngineError):
    """The request was cancelled; what was finished is kept."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy, CANCELLED)
