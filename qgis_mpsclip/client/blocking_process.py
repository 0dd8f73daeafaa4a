"""One run of the engine for callers that block: the standard library's pipes and a thread that reads them.

The checks of child processes that are marked here do not apply: no shell is involved, and the program is the
interpreter that the user chose for the engine.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import subprocess  # nosec B404
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis_mpsclip.client import launch, messages
from qgis_mpsclip.client.framing import FrameDecoder, FrameError, encode
from qgis_mpsclip.client.interpreter import Interpreter
from qgis_mpsclip.client.log_files import new_log_file
from qgis_mpsclip.errors import EngineCancelled, EngineError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.settings import Settings

OPEN_SECONDS = 120  # a first start reads from a cold disk, past a virus scanner
LEAVE_SECONDS = 5
_READ_BYTES = 1 << 16
_POLL_SECONDS = 0.1

# What belongs to a request, in order; None: the engine has gone.
Inbox = queue.SimpleQueue


class BlockingProcess:
    """Starts the engine, which :meth:`open` makes ready; usable from any thread.

    Raises:
        EngineError: it cannot be started.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        self._ids = itertools.count(messages.INITIALIZE_ID + 1)
        self._lock = threading.Lock()  # of the inboxes and of writing
        self._inboxes: dict[int, Inbox] = {}
        self._has_opened = False
        self._reason: EngineError | None = None
        self._gone = threading.Event()
        self._log_file: Path | None = new_log_file()
        self._process = self._start(interpreter)
        self._reader = threading.Thread(target=self._read, name="mpsclip-engine", daemon=True)
        self._reader.start()

    def open(self, settings: Settings, is_cancelled: Callable[[], bool]) -> None:
        """Open the connection; where that fails, the engine is gone.

        Args:
            is_cancelled: asked ten times a second.

        Raises:
            EngineCancelled: ``is_cancelled`` returned true, or the engine was ended.
            EngineError: it does not answer or is of another release.
        """
        try:
            self._initialize(settings, is_cancelled)
        except BaseException:
            self.kill(EngineCancelled(tr("Cancelled.")))
            raise

    def _start(self, interpreter: Interpreter) -> subprocess.Popen[bytes]:
        log = self._log_file.open("ab") if self._log_file is not None else None
        try:
            return subprocess.Popen(  # nosec B603
                [str(interpreter.python), *launch.engine_arguments(interpreter)],
                cwd=interpreter.cwd,
                env=launch.engine_variables(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log if log is not None else subprocess.DEVNULL,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise launch.not_started(interpreter, error.strerror or str(error)) from error
        finally:
            if log is not None:
                log.close()

    def _initialize(self, settings: Settings, is_cancelled: Callable[[], bool]) -> None:
        inbox = self._expect(messages.INITIALIZE_ID)
        self._send(messages.initialize(settings))
        answer = self._first_answer(inbox, is_cancelled)
        self.forget(messages.INITIALIZE_ID)
        error = self.why_gone() if answer is None else messages.initialize_error(answer)
        if error is not None:
            raise error
        self._has_opened = True

    def _first_answer(self, inbox: Inbox, is_cancelled: Callable[[], bool]) -> dict[str, Any] | None:
        until = time.monotonic() + OPEN_SECONDS
        while time.monotonic() < until:
            if is_cancelled():
                raise EngineCancelled(tr("Cancelled."))
            with contextlib.suppress(queue.Empty):
                return inbox.get(timeout=_POLL_SECONDS)
        raise launch.silent(OPEN_SECONDS, self._log_file)

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked something."""
        return not self._gone.is_set() and self._reason is None

    def ask(self, method: str, params: dict[str, Any]) -> tuple[int, Inbox]:
        """Send a request; its notifications and then its answer come into the inbox, which :meth:`forget` closes.

        Notes of the engine that are about no request come into all inboxes.
        """
        request_id = next(self._ids)
        inbox = self._expect(request_id)
        try:
            self._send(messages.request(request_id, method, params))
        except FrameError as error:
            self.forget(request_id)
            raise EngineError(
                tr("The request is too large for the engine."), tr("Choose fewer rasters at once.")
            ) from error
        return request_id, inbox

    def cancel(self, request_id: int) -> None:
        """Ask for the early end of a request."""
        self._send(messages.request(next(self._ids), "cancel", {"id": request_id}))

    def forget(self, request_id: int) -> None:
        """Nobody waits for this request any more."""
        with self._lock:
            self._inboxes.pop(request_id, None)

    def why_gone(self) -> EngineError:
        """Why the engine has ended."""
        if self._reason is not None:
            return self._reason
        words, killed = launch.exit_status(self._process.wait())
        return launch.crash(self._has_opened, words, killed, self._log_file)

    def leave(self) -> None:
        """End the engine, which cancels what it works on; returns when it is gone."""
        self._reason = self._reason or EngineCancelled(tr("The search engine was ended."))
        self._send(messages.request(next(self._ids), "shutdown", {}))
        self._close_stdin()
        self._reader.join(LEAVE_SECONDS)
        self.kill(self._reason)

    def kill(self, reason: EngineError) -> None:
        """End it at once; whoever waits for an answer gets the reason."""
        self._reason = self._reason or reason
        self._process.kill()
        self._reader.join(LEAVE_SECONDS)

    def _close_stdin(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._process.stdin.close()

    def _expect(self, request_id: int) -> Inbox:
        inbox: Inbox = queue.SimpleQueue()
        with self._lock:
            self._inboxes[request_id] = inbox
        if self._gone.is_set():
            inbox.put(None)
        return inbox

    def _send(self, message: dict[str, Any]) -> None:
        frame = encode(message)
        # A pipe that nobody reads any more shows at the other end too: the reader tells everybody.
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(frame)
            self._process.stdin.flush()

    def _read(self) -> None:
        decoder = FrameDecoder()
        with self._process.stdout as stream:
            try:
                while data := stream.read1(_READ_BYTES):
                    for message in decoder.feed(data):
                        self._deliver(message)
            except FrameError as error:
                self._reason = self._reason or launch.broken_stream(str(error), self._log_file)
                self._process.kill()
        try:
            self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:  # it has closed its stdout, so it is of no use any more
            self._process.kill()
            self._process.wait()
        self._close_stdin()
        self._gone.set()
        with self._lock:
            waiting = list(self._inboxes.values())
        for inbox in waiting:
            inbox.put(None)

    def _deliver(self, message: dict[str, Any]) -> None:
        request_id = (message.get("params") or {}).get("id") if "method" in message else message.get("id")
        with self._lock:
            if request_id is None and message.get("method") == "log":
                inboxes = [inbox for number, inbox in self._inboxes.items() if number != messages.INITIALIZE_ID]
            else:
                inboxes = [self._inboxes[request_id]] if request_id in self._inboxes else []
        for inbox in inboxes:
            inbox.put(message)
