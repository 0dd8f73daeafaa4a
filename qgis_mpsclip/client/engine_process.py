"""One run of the engine under Qt's event loop: from its start to its end, whoever causes it."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import Any

from qgis.PyQt.QtCore import QIODevice, QObject, QProcess, QProcessEnvironment, QTimer, pyqtSignal

from qgis_mpsclip.client import launch, messages
from qgis_mpsclip.client.framing import FrameDecoder, FrameError, encode
from qgis_mpsclip.client.interpreter import Interpreter
from qgis_mpsclip.client.log_files import new_log_file
from qgis_mpsclip.errors import EngineError
from qgis_mpsclip.settings import Settings

OPEN_SECONDS = 120  # a first start reads from a cold disk, past a virus scanner
LEAVE_SECONDS = 5


class EngineProcess(QObject):
    """Starts the engine and opens the connection.

    Signals:
        opened(): the engine is there and speaks our protocol.
        received(dict): a message from it.
        ended(object): the process is gone, emitted once; the EngineError that says why, None after :meth:`leave`.

    Attributes:
        has_opened: ``opened`` was emitted.
        is_open: so it was, and the process is there and is to stay.
        log_file: its stderr; None where none can be written.
    """

    opened = pyqtSignal()
    received = pyqtSignal(dict)
    ended = pyqtSignal(object)

    def __init__(self, interpreter: Interpreter, settings: Settings, parent: QObject) -> None:
        super().__init__(parent)
        self.has_opened = False
        self.is_open = False
        self.log_file: Path | None = new_log_file()
        self._interpreter = interpreter
        self._settings = settings
        self._decoder = FrameDecoder()
        self._inbox: deque[dict[str, Any]] = deque()
        self._reason: EngineError | None = None  # why we killed it
        self._leaving = False
        self._over = False
        self._limit = QTimer(self)
        self._limit.setSingleShot(True)
        self._limit.timeout.connect(self._too_late)
        self._process = self._prepare()

    def _prepare(self) -> QProcess:
        process = QProcess(self)
        environment = QProcessEnvironment()
        for name, value in launch.engine_variables().items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        process.setProgram(str(self._interpreter.python))
        process.setArguments(launch.engine_arguments(self._interpreter))
        if self._interpreter.cwd is not None:
            process.setWorkingDirectory(str(self._interpreter.cwd))
        log = QProcess.nullDevice() if self.log_file is None else str(self.log_file)
        process.setStandardErrorFile(log, QIODevice.OpenModeFlag.Append)
        process.started.connect(self._on_started)
        process.readyReadStandardOutput.connect(self._read)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        return process

    def start(self) -> None:
        """Start; ``opened`` or ``ended`` follows."""
        self._limit.start(int(OPEN_SECONDS * 1000))
        self._process.start()

    def send(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            FrameError: it is too large.
        """
        self._process.write(encode(message))

    def leave(self) -> None:
        """Ask the engine to end, and make it end if it does not."""
        self._leaving, self.is_open = True, False
        if self._process.state() == QProcess.ProcessState.Running:
            self.send(messages.request(-1, "shutdown", {}))
            self._process.closeWriteChannel()
            self._limit.start(int(LEAVE_SECONDS * 1000))
        else:
            self._process.kill()

    def leave_now(self) -> None:
        """As :meth:`leave`, and return when the process is gone."""
        self.leave()
        if not self._process.waitForFinished(int(LEAVE_SECONDS * 1000)):
            self._process.kill()
            self._process.waitForFinished(1000)
        self._end(None)

    def kill(self, reason: EngineError) -> None:
        """End it at once; ``ended`` follows with the reason."""
        self._reason = self._reason or reason
        self._process.kill()

    def _on_started(self) -> None:
        if not self._leaving:
            self.send(messages.initialize(self._settings))

    def _read(self) -> None:
        if self._reason is not None:
            return
        try:
            self._inbox += self._decoder.feed(self._process.readAllStandardOutput().data())
        except FrameError as error:
            self.kill(launch.broken_stream(str(error), self.log_file))
        QTimer.singleShot(0, self._deliver)

    def _deliver(self) -> None:
        """Hand over one message. Apart from reading and one by one, since a slot may run a dialog, and Qt's event loop
        in it: what follows is to arrive there."""
        if self._inbox:
            message = self._inbox.popleft()
            QTimer.singleShot(0, self._deliver)
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        if self._leaving:
            return
        if self.is_open:
            self.received.emit(message)
        elif message.get("id") == messages.INITIALIZE_ID:
            self._limit.stop()
            error = messages.initialize_error(message)
            if error is not None:
                self.kill(error)
                return
            self.is_open = self.has_opened = True
            self.opened.emit()

    def _too_late(self) -> None:
        self.kill(launch.silent(OPEN_SECONDS, self.log_file))

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._end(launch.not_started(self._interpreter, self._process.errorString()))

    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._read()  # an answer may have come with the end
        while self._inbox:
            self._take(self._inbox.popleft())
        signalled = os.name == "posix" and status == QProcess.ExitStatus.CrashExit
        words, killed = launch.exit_status(-code if signalled else code)
        self._end(self._reason or launch.crash(self.has_opened, words, killed, self.log_file))

    def _end(self, error: EngineError | None) -> None:
        if self._over:
            return
        self._over, self.is_open = True, False
        self._limit.stop()
        self.ended.emit(None if self._leaving else error)
