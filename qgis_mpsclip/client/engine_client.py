"""The engine for the user interface: Qt signals, one process, started when first needed."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from qgis.core import Qgis, QgsMessageLog
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from qgis_mpsclip.client import messages
from qgis_mpsclip.client.engine_process import EngineProcess
from qgis_mpsclip.client.framing import FrameError
from qgis_mpsclip.client.interpreter import Interpreter, find_interpreter
from qgis_mpsclip.client.log_files import LOG_TAG
from qgis_mpsclip.client.pending import PendingRequest
from qgis_mpsclip.errors import EngineCancelled, EngineCrashed, EngineError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.settings import Settings

# An engine that has not ended a cancelled request by then is held up in a library and is ended itself.
CANCEL_SECONDS = 30.0
_LEVELS = {
    "debug": Qgis.MessageLevel.Info,
    "info": Qgis.MessageLevel.Info,
    "warning": Qgis.MessageLevel.Warning,
    "error": Qgis.MessageLevel.Critical,
}


class EngineClient(QObject):
    """Starts the engine at the first request, keeps it warm, and ends it when idle.

    Requests that the engine works on are sent one after the other, so that a crash fails the one that was being worked
    on; the others go to the next engine. Belongs to the main thread.

    Args:
        settings: read whenever they are needed, so that changes hold from the next start on.
        find: names the interpreter at each start.

    Signals:
        stateChanged(str): ``stopped``, ``starting``, ``ready``, ``busy``.
        crashed(str): the engine ended by itself; the message holds the last lines of its log.
    """

    stateChanged = pyqtSignal(str)
    crashed = pyqtSignal(str)

    def __init__(
        self,
        settings: Settings,
        parent: QObject | None = None,
        find: Callable[[Settings], Interpreter] = find_interpreter,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._find = find
        self._ids = itertools.count(messages.INITIALIZE_ID + 1)
        self._process: EngineProcess | None = None
        self._leaving: list[EngineProcess] = []
        self._waiting: deque[PendingRequest] = deque()
        self._sent: dict[int, PendingRequest] = {}
        self._cancelling: set[int] = set()
        self._state = "stopped"
        self._outdated = False
        self._idle = QTimer(self)
        self._idle.setSingleShot(True)
        self._idle.timeout.connect(self._leave)

    @property
    def state(self) -> str:
        """As the last ``stateChanged`` said."""
        return self._state

    @property
    def log_file(self) -> str:
        """The log of the running engine; empty where none runs."""
        return str(self._process.log_file or "") if self._process is not None else ""

    def is_running(self) -> bool:
        """Whether an engine process is alive."""
        return self._process is not None

    def request(self, method: str, params: dict[str, Any]) -> PendingRequest:
        """Ask something of the engine; returns at once, and starts the engine if need be."""
        request = PendingRequest(next(self._ids), method, params, self._cancel)
        self._waiting.append(request)
        QTimer.singleShot(0, self._advance)
        return request

    def renew(self) -> None:
        """Settings of the engine have changed: let the running one finish what it has, and use a new one then."""
        self._outdated = self._process is not None
        QTimer.singleShot(0, self._advance)

    def shutdown(self) -> None:
        """Cancel what is pending and end the engine; returns when the process is gone."""
        dropped = [*self._sent.values(), *self._take_waiting()]
        self._take_sent()
        process, self._process = self._process, None
        for leaving in [*self._leaving, *([process] if process is not None else [])]:
            leaving.blockSignals(True)
            leaving.leave_now()
            leaving.deleteLater()
        self._leaving.clear()
        self._idle.stop()
        self._tell_state()
        for request in dropped:
            request.cancelled.emit()

    # ---- towards the engine

    def _advance(self) -> None:
        """Send what can be sent, starting the engine for it; begin to wait for idleness where nothing is left."""
        if self._outdated and not self._sent:
            self._leave()
        if self._waiting and self._process is None:
            self._start()
        if self._process is not None and self._process.is_open and not self._outdated:
            for request in self._sendable():
                self._send(request)
            self._watch_idleness()
        self._tell_state()

    def _start(self) -> None:
        try:
            interpreter = self._find(self._settings)
        except EngineError as error:
            self._fail(self._take_waiting(), error)
            return
        self._outdated = False
        self._process = process = EngineProcess(interpreter, self._settings, self)
        process.opened.connect(self._advance)
        process.received.connect(self._on_message)
        process.ended.connect(partial(self._on_ended, process))
        process.start()

    def _sendable(self) -> list[PendingRequest]:
        chosen = [request for request in self._waiting if request.method in messages.QUICK_METHODS]
        if not self._working():
            chosen += [request for request in self._waiting if request.method not in messages.QUICK_METHODS][:1]
        for request in chosen:
            self._waiting.remove(request)
        return chosen

    def _working(self) -> bool:
        return any(request.method not in messages.QUICK_METHODS for request in self._sent.values())

    def _send(self, request: PendingRequest) -> None:
        self._sent[request.id] = request
        try:
            self._process.send(messages.request(request.id, request.method, request.params))
        except FrameError:
            del self._sent[request.id]
            error = EngineError(tr("The request is too large for the engine."), tr("Choose fewer rasters at once."))
            self._fail([request], error)

    def _cancel(self, request: PendingRequest) -> None:
        if request in self._waiting:
            self._waiting.remove(request)
            QTimer.singleShot(0, request.cancelled.emit)
        elif request.id in self._sent and request.id not in self._cancelling and self._process is not None:
            self._cancelling.add(request.id)
            self._process.send(messages.request(next(self._ids), "cancel", {"id": request.id}))
            QTimer.singleShot(int(CANCEL_SECONDS * 1000), partial(self._insist, self._process, request))

    def _insist(self, process: EngineProcess, request: PendingRequest) -> None:
        if process is self._process and request.id in self._sent:
            process.kill(EngineCancelled(tr("The engine was ended, since it could not be interrupted otherwise.")))

    def _watch_idleness(self) -> None:
        minutes = self._settings.idle_minutes
        if self._sent or self._waiting or minutes <= 0:
            self._idle.stop()
        else:
            self._idle.start(int(minutes * 60_000))

    def _leave(self) -> None:
        """End the idle engine without waiting for it."""
        process, self._process = self._process, None
        self._outdated = False
        if process is None:
            return
        self._leaving.append(process)
        process.leave()
        self._tell_state()

    # ---- from the engine

    def _on_message(self, message: dict[str, Any]) -> None:
        if "method" in message:
            self._on_notification(str(message["method"]), message.get("params") or {})
            return
        request = self._sent.pop(message.get("id"), None)
        if request is None:
            return  # the answer to a cancel
        self._cancelling.discard(request.id)
        error = messages.error_of(message)
        self._advance()  # before anybody is told: a slot may take long
        if error is None:
            result = message.get("result")
            request.finished.emit(result if isinstance(result, dict) else {})
        elif isinstance(error, EngineCancelled):
            request.cancelled.emit()
        else:
            request.failed.emit(error)

    def _on_notification(self, method: str, params: dict[str, Any]) -> None:
        if method == "log":
            level = _LEVELS.get(str(params.get("level")), Qgis.MessageLevel.Info)
            QgsMessageLog.logMessage(str(params.get("message", "")), LOG_TAG, level, notifyUser=False)
            return
        request = self._sent.get(params.get("id"))
        if request is None or request.id in self._cancelling:
            return
        if method == "progress":
            request.progress.emit(params)
        elif method in messages.PARTIAL_METHODS:
            request.partial.emit(method, params)

    def _on_ended(self, process: EngineProcess, error: EngineError | None) -> None:
        process.deleteLater()
        if process in self._leaving:
            self._leaving.remove(process)
            return
        self._process = None
        self._idle.stop()
        lost, cancelled = self._take_sent()
        if not process.has_opened:
            lost += self._take_waiting()  # the next engine would not start either
        QTimer.singleShot(0, self._advance)
        self._tell_state()
        for request in cancelled:
            request.cancelled.emit()
        self._fail(lost, error)
        if isinstance(error, EngineCrashed):
            QgsMessageLog.logMessage(str(error), LOG_TAG, Qgis.MessageLevel.Critical, notifyUser=False)
            self.crashed.emit(str(error))

    # ---- bookkeeping

    def _take_waiting(self) -> list[PendingRequest]:
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    def _take_sent(self) -> tuple[list[PendingRequest], list[PendingRequest]]:
        """What the engine had: without, and with those whose end was asked for."""
        taken, cancelling = list(self._sent.values()), set(self._cancelling)
        self._sent.clear()
        self._cancelling.clear()
        lost = [request for request in taken if request.id not in cancelling]
        return lost, [request for request in taken if request.id in cancelling]

    def _fail(self, requests: list[PendingRequest], error: EngineError) -> None:
        self._tell_state()
        for request in requests:
            request.failed.emit(error)

    def _tell_state(self) -> None:
        if self._process is None:
            state = "stopped"
        elif not self._process.is_open:
            state = "starting"
        else:
            state = "busy" if self._working() else "ready"
        if state != self._state:
            self._state = state
            self.stateChanged.emit(state)
