"""The engine for the user interface: Qt signals, one process, started when first needed."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtCore import QObject, pyqtSignal

from qgis_mpsclip.client.pending import PendingRequest
from qgis_mpsclip.settings import Settings


class EngineClient(QObject):
    """Starts the engine at the first request, keeps it warm, and ends it when idle.

    Signals:
        stateChanged(str): ``stopped``, ``starting``, ``ready``, ``busy``.
        crashed(str): the engine ended by itself; the message holds the last lines of its log.
    """

    stateChanged = pyqtSignal(str)  # noqa: N815 - Qt's naming
    crashed = pyqtSignal(str)

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings

    def request(self, method: str, params: dict[str, Any]) -> PendingRequest:
        """Ask something of the engine; returns at once."""
        raise NotImplementedError

    def shutdown(self) -> None:
        """End the engine and cancel what is pending; returns when the process is gone."""

    def is_running(self) -> bool:
        """Whether an engine process is alive."""
        return False
