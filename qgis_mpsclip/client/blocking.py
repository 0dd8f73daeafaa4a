"""The engine for Processing: requests that block their thread until they are answered."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Callable


class BlockingEngine:
    """A lease of the process-wide engine, which stays warm between leases; usable in any thread.

    ``with BlockingEngine() as engine: report = engine.request("search", {...})``
    """

    def __enter__(self) -> BlockingEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def request(
        self,
        method: str,
        params: dict[str, Any],
        on_progress: Callable[[dict[str, Any]], None] | None = None,
        on_partial: Callable[[str, dict[str, Any]], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> dict[str, Any]:
        """The answer to a request. All functions are called in the calling thread.

        Raises:
            EngineCancelled: ``is_cancelled`` returned true, or the engine was ended.
            EngineError: the engine failed it, crashed, or cannot be started.
        """
        raise NotImplementedError
