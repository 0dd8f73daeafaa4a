"""A request that was made of the engine."""

from __future__ import annotations

from typing import Any, Callable

from qgis.PyQt.QtCore import QObject, pyqtSignal


class PendingRequest(QObject):
    """One request and what comes of it.

    Exactly one of ``finished``, ``failed`` and ``cancelled`` is emitted, once, and never before the call that made the
    request has returned. A request that finished before its cancellation reached the engine ends as ``finished``.

    Attributes:
        id: as the engine knows it.
    """

    progress = pyqtSignal(dict)
    partial = pyqtSignal(str, dict)  # method (shortlist, hit) and its params
    finished = pyqtSignal(dict)
    failed = pyqtSignal(object)  # an EngineError
    cancelled = pyqtSignal()

    def __init__(
        self,
        request_id: int,
        method: str,
        params: dict[str, Any],
        cancel: Callable[[PendingRequest], None],
    ) -> None:
        super().__init__()
        self.id = request_id
        self.method = method
        self.params = params
        self._cancel = cancel

    def cancel(self) -> None:
        """Ask for an early end; returns at once, ``cancelled`` follows. After the end it does nothing."""
        self._cancel(self)
