"""The serving process: threads that read, write and watch, and one that dispatches."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import BinaryIO

from engine.server.cancel import END_SECONDS, GRACE_SECONDS
from engine.server.child import WORKER_COMMAND, WorkerProcess
from engine.server.dispatch import Dispatcher, Job, Worker
from engine.server.framing import MAX_FRAME, BrokenFrameError, FrameReader, FrameTooLargeError
from engine.server.handlers.quick import QUICK_HANDLERS
from engine.server.logs import DEFAULT_LEVEL, set_up
from engine.server.messages import InvalidRequestError, ParseError, notification
from engine.server.outbox import BackgroundOutbox, Outbox
from engine.server.params import InitializeParams
from engine.server.parent import watch
from engine.types import Json

_log = logging.getLogger(__name__)
# A signal that comes just before the wait for the next job does not end it; its handler runs when the wait is over.
WAKE_SECONDS = 0.5


class Server:
    """Serves one client until it leaves; see docs/protocol.md.

    Args:
        incoming: unbuffered: ``read(n)`` returns as soon as there is something.
        outgoing: to the client.
        worker: command of the process that works.
        grace: seconds that a cancelled request may take to end in order.
        limit: longest frame in either direction, bytes of JSON.
        level: of the log, where the client names none.
    """

    def __init__(
        self,
        incoming: BinaryIO,
        outgoing: BinaryIO,
        worker: Sequence[str] = WORKER_COMMAND,
        grace: float = GRACE_SECONDS,
        limit: int = MAX_FRAME,
        level: str = DEFAULT_LEVEL,
    ) -> None:
        self._frames = FrameReader(incoming, limit)
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._command, self._level = worker, level
        self._cache: str | None = None
        self._dispatcher = Dispatcher(self, QUICK_HANDLERS, grace)
        self._outbox = BackgroundOutbox(Outbox(outgoing, limit), lambda: self.stop(0, "the client does not listen"))

    def serve(self) -> int:
        """Returns the exit status: 0 where the client has left, 1 where what it sent could not be understood."""
        set_up(self._level, self._tell)
        self.in_background(self._read)
        dispatcher = self._dispatcher
        while dispatcher.exit_status is None:
            deadline = dispatcher.seconds_to_deadline()
            with suppress(Empty):  # a deadline has come
                self._jobs.get(timeout=WAKE_SECONDS if deadline is None else min(deadline, WAKE_SECONDS))()
            dispatcher.tick()
        if dispatcher.worker is not None:
            dispatcher.worker.end()
        self._outbox.close(END_SECONDS)
        return dispatcher.exit_status

    def stop(self, status: int, reason: str) -> None:
        """Ends it from any thread, or from a handler of a signal."""
        self.post(lambda: self._dispatcher.end(status, reason))

    def stop_on_signals(self) -> None:
        """SIGINT and SIGTERM end it in order; on the main thread only."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.stop(128 + number, f"signal {number}")

    # -- what the dispatcher needs (engine.server.dispatch.Surroundings) --

    def send(self, message: Json) -> None:
        self._outbox.send(message)

    def post(self, job: Job) -> None:
        self._jobs.put(job)

    def in_background(self, job: Job) -> None:
        threading.Thread(target=job, daemon=True).start()

    def start_worker(self, dispatcher: Dispatcher) -> Worker:
        worker = WorkerProcess(
            self._command,
            lambda worker, message: self.post(lambda: dispatcher.worker_said(worker, message)),
            lambda worker, status: self.post(lambda: dispatcher.worker_ended(worker, status)),
        )
        worker.send({"method": "start", "params": {"cache": self._cache, "log_level": self._level}})
        return worker

    def opened(self, params: InitializeParams) -> None:
        self._cache = params.cache
        if params.log_level is not None:
            self._level = params.log_level
            set_up(self._level, self._tell)
        if params.parent_pid is not None:
            watch(params.parent_pid, lambda: self.stop(0, "the parent process has ended"))

    def _tell(self, record: Json) -> None:
        self.send(notification("log", record))

    def _read(self) -> None:
        """Frames to the dispatcher's thread, until there are no more."""
        while True:
            try:
                body = self._frames.read()
            except FrameTooLargeError as error:
                refused = InvalidRequestError(
                    f"The frame has {error.size} bytes, more than a frame may have ({error.limit}).",
                    "Send less at once.",
                )
                self.post(lambda refused=refused: self._dispatcher.refuse(refused))  # type: ignore[misc]
                continue
            except BrokenFrameError as error:
                self._broken(error)
                return
            except OSError as error:
                self.stop(0, f"standard input: {error}")
                return
            if body is None:
                self.stop(0, "standard input was closed")
                return
            self.post(lambda body=body: self._dispatcher.receive(body))  # type: ignore[misc]

    def _broken(self, error: BrokenFrameError) -> None:
        refused = ParseError(f"What came in is no frame: {error}.", "Send frames as docs/protocol.md says.")
        self.post(lambda: self._dispatcher.refuse(refused))
        self.stop(1, "nothing more can be understood")
