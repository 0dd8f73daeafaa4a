"""From a client's frames to answers: what is answered at once, what waits, what is handed to the worker.

One thread calls everything here; other threads come in through ``post``. Nothing here reads, writes, waits or computes.
"""

from __future__ import annotations

import logging
import os
import platform
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from engine.errors import Cancelled, EngineError, UsageError, WorkerError
from engine.resources import project_version
from engine.server import messages
from engine.server.cancel import GRACE_SECONDS
from engine.server.child import describe_end
from engine.server.logs import LOCAL_ONLY
from engine.server.messages import InvalidRequestError, NotInitializedError, Request, RequestError, RequestId
from engine.server.params import CancelParams, InitializeParams, checked
from engine.types import Json

PROTOCOL = 1
QUICK = ("status", "models.list", "index.list")
"""Answered while other requests run or wait."""

_PARTIAL = ("progress", "shortlist", "hit")
_log = logging.getLogger(__name__)

Job = Callable[[], None]
QuickHandler = Callable[[str | None], Json]


class Worker(Protocol):
    """What works on requests, one at a time; :class:`engine.server.child.WorkerProcess`."""

    def send(self, message: Json) -> None: ...

    def kill(self) -> None: ...

    def end(self) -> None: ...


class Surroundings(Protocol):
    """What a dispatcher needs of the process that it is in."""

    def send(self, message: Json) -> None:
        """To the client; any thread, never waits."""

    def post(self, job: Job) -> None:
        """Runs the job soon in the dispatcher's thread; any thread."""

    def in_background(self, job: Job) -> None:
        """Runs the job in a thread of its own."""

    def start_worker(self, dispatcher: Dispatcher) -> Worker:
        """A new worker, whose messages and end are posted to ``worker_said`` and ``worker_ended``.

        Raises:
            OSError: it cannot be started.
        """

    def opened(self, params: InitializeParams) -> None:
        """The client has said who it is."""


@dataclass(slots=True)
class _Running:
    """The request that the worker has. ``deadline``: until when it may end in order; None: not cancelled."""

    request: Request
    job: int
    since: float
    deadline: float | None = None


class Dispatcher:
    """The state of one connection.

    Args:
        around: see :class:`Surroundings`.
        quick: handlers of :data:`QUICK` by method; they get the cache folder that the client has chosen.
        grace: seconds that a cancelled request may take to end in order.
        clock: seconds, ever growing.
    """

    def __init__(
        self,
        around: Surroundings,
        quick: Mapping[str, QuickHandler],
        grace: float = GRACE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.exit_status: int | None = None
        self.settings: InitializeParams | None = None
        self.worker: Worker | None = None
        self._around, self._quick, self._grace, self._clock = around, quick, grace, clock
        self._waiting: deque[Request] = deque()
        self._running: _Running | None = None
        self._looking: set[RequestId] = set()  # quick requests under way
        self._of_status: list[tuple[Request, Json]] = []  # those that wait for the worker to name its devices
        self._machine: Json | None = None
        self._loaded: list[str] = []
        self._jobs = 0

    def receive(self, body: bytes) -> None:
        """One frame of the client's."""
        if self.exit_status is not None:
            return
        try:
            request = messages.parse(body)
            if request is None:
                _log.debug("A notification or an answer came, and is ignored")
                return
        except RequestError as error:
            self.refuse(error)
            return
        try:
            self._accept(request)
        except RequestError as error:
            self.refuse(error)
        except Exception as error:  # a defect; the request still gets its answer, and the engine goes on
            self._fail(request, error)

    def refuse(self, error: RequestError) -> None:
        """Answers what is no proper request."""
        _log.warning("Refused: %s", error.problem, extra=LOCAL_ONLY)
        self._around.send(messages.failure(error.id, messages.error_json(error)))

    def end(self, status: int, reason: str) -> None:
        """The connection is over; the first status counts."""
        if self.exit_status is None:
            _log.info("Ending: %s", reason, extra=LOCAL_ONLY)
            self.exit_status = status

    def seconds_to_deadline(self) -> float | None:
        """When :meth:`tick` has something to do; None: not before something else happens."""
        if self._running is None or self._running.deadline is None:
            return None
        return max(0.0, self._running.deadline - self._clock())

    def tick(self) -> None:
        """Kills a worker that has not ended a cancelled request in time."""
        running = self._running
        if running is None or running.deadline is None or self._clock() < running.deadline or self.worker is None:
            return
        _log.warning(
            "Request %r did not stop within %g s: its process is ended",
            running.request.id,
            self._grace,
            extra=LOCAL_ONLY,
        )
        worker, self.worker, self._loaded = self.worker, None, []
        worker.kill()
        self._finish(messages.failure(running.request.id, messages.error_json(Cancelled())))

    # -- requests --

    def _accept(self, request: Request) -> None:
        if request.id in self._open():
            # Without the id: with it this would be taken for the answer to the other request.
            raise InvalidRequestError(
                f"The id {request.id!r} is that of a request not answered yet.", "Give each request its own id."
            )
        if request.method == "initialize":
            self._answer(request, self._initialize, request)
            return
        if self.settings is None:
            raise NotInitializedError("'initialize' has not been asked.", "Send it first.", request.id)
        params = checked(request)
        _log.info("Request %r: %s", request.id, request.method, extra=LOCAL_ONLY)
        if request.method == "cancel":
            self._answer(request, self._cancel, cast(CancelParams, params).id)
        elif request.method == "shutdown":
            self._shutdown(request)
        elif request.method in QUICK:
            self._look(request)
        else:
            self._waiting.append(request)
            self._next()

    def _answer(self, request: Request, answer: Callable[..., Json], *arguments: object) -> None:
        try:
            value = answer(*arguments)
        except RequestError:
            raise
        except EngineError as error:
            self._around.send(messages.failure(request.id, messages.error_json(error)))
        else:
            self._around.send(messages.result(request.id, value))

    def _initialize(self, request: Request) -> Json:
        if self.settings is not None:
            raise InvalidRequestError("'initialize' came twice.", "Send it once.", request.id)
        # Before the other parameters, which another version may have changed.
        spoken = request.params.get("protocol")
        if isinstance(spoken, int) and spoken != PROTOCOL:
            raise UsageError(
                f"The client speaks version {spoken} of the protocol, this engine version {PROTOCOL}.",
                "Install plugin and engine of the same release.",
                protocol=PROTOCOL,
            )
        self.settings = cast(InitializeParams, checked(request))
        self._around.opened(self.settings)
        _log.info("Serving %s", self.settings.client or "a client without a name", extra=LOCAL_ONLY)
        return {
            "protocol": PROTOCOL,
            "engine": project_version(),
            "python": platform.python_version(),
            "pid": os.getpid(),
        }

    def _cancel(self, wanted: RequestId) -> Json:
        running = self._running
        if running is not None and running.request.id == wanted:
            if running.deadline is None:
                running.deadline = self._clock() + self._grace
                if self.worker is not None:
                    self.worker.send({"method": "cancel", "params": {"id": running.job}})
            return {"cancelled": True}
        request = next((request for request in self._waiting if request.id == wanted), None)
        if request is None:
            return {"cancelled": False}
        self._waiting.remove(request)
        self._around.post(lambda: self._fail(request, Cancelled()))  # after the answer to the cancellation
        return {"cancelled": True}

    def _shutdown(self, request: Request) -> None:
        for open_id in self._open():
            self._around.send(messages.failure(open_id, messages.error_json(Cancelled())))
        self._around.send(messages.result(request.id, None))
        self.end(0, "the client asked for it")

    def _open(self) -> list[RequestId]:
        running = [self._running.request.id] if self._running else []
        return [*running, *(request.id for request in self._waiting), *self._looking]

    def _fail(self, request: Request, error: BaseException) -> None:
        if not messages.is_expected(error):
            _log.error("%s failed:\n%s", request.method, messages.traceback_of(error), extra=LOCAL_ONLY)
        self._around.send(messages.failure(request.id, messages.error_json(error)))

    # -- at once --

    def _look(self, request: Request) -> None:
        handler, cache = self._quick[request.method], self.settings.cache if self.settings else None
        self._looking.add(request.id)
        if request.method == "status" and self._machine is None:
            self._ensure_worker()

        def look() -> None:
            try:
                value = handler(cache)
            except Exception as error:  # whatever goes wrong is an answer
                failed = error
                self._around.post(lambda: self._looked(request, None, failed))
            else:
                self._around.post(lambda: self._looked(request, value, None))

        self._around.in_background(look)

    def _looked(self, request: Request, value: Json | None, error: Exception | None) -> None:
        if self.exit_status is not None:
            return
        if error is None and request.method == "status":
            if self._machine is None and self.worker is not None:
                self._of_status.append((request, value or {}))
                return
            value = self._status(value or {}, None)
        self._looking.discard(request.id)
        if error is not None:
            self._fail(request, error)
        else:
            self._around.send(messages.result(request.id, value))

    def _status(self, found: Json, problem: str | None) -> Json:
        machine = self._machine or {"devices": [], "device": None, "problems": []}
        problems = [*machine["problems"], *([problem] if problem else [])]
        return {**found, **machine, "loaded": list(self._loaded), "problems": problems}

    def _answer_status(self, problem: str | None = None) -> None:
        waiting, self._of_status = self._of_status, []
        for request, found in waiting:
            self._looking.discard(request.id)
            self._around.send(messages.result(request.id, self._status(found, problem)))

    # -- work --

    def _ensure_worker(self) -> None:
        if self.worker is None:
            try:
                self.worker = self._around.start_worker(self)
            except OSError as error:
                _log.error("The worker cannot be started: %s", error, extra=LOCAL_ONLY)

    def _next(self) -> None:
        while self._running is None and self._waiting:
            request = self._waiting.popleft()
            self._ensure_worker()
            if self.worker is None:
                self._fail(request, WorkerError("The working process cannot be started.", _REMEDY))
                continue
            self._jobs += 1
            self._running = _Running(request, self._jobs, self._clock())
            self.worker.send({"id": self._jobs, "method": request.method, "params": request.params})

    def _finish(self, answer: Json) -> None:
        running, self._running = self._running, None
        if running is not None:
            code = answer.get("error", {}).get("code", "done")
            seconds = self._clock() - running.since
            _log.info("Request %r: %s after %.1f s", running.request.id, code, seconds, extra=LOCAL_ONLY)
        self._around.send(answer)
        self._next()

    def worker_said(self, worker: Worker, message: Json) -> None:
        """A message of the worker's; one that has been given up is not heard any more."""
        if worker is not self.worker or self.exit_status is not None:
            return
        method, params = message.get("method"), message.get("params", {})
        if method == "ready":
            self._machine = params
            self._answer_status()
        elif method == "loaded":
            self._loaded = params["models"]
        elif method in _PARTIAL or method == "log":
            if self._running is not None and self._running.deadline is None:
                self._around.send(messages.notification(method, {"id": self._running.request.id, **params}))
            elif method == "log":
                self._around.send(messages.notification(method, params))
        elif self._running is not None and message.get("id") == self._running.job:
            self._finish(self._final(self._running, message))

    def _final(self, running: _Running, message: Json) -> Json:
        request_id = running.request.id
        if running.deadline is not None:  # it was said to be cancelled, even if it was quicker
            return messages.failure(request_id, messages.error_json(Cancelled()))
        if "error" in message:
            return messages.failure(request_id, message["error"])
        return messages.result(request_id, message["result"])

    def worker_ended(self, worker: Worker, status: int) -> None:
        """The worker has ended without being asked to; the next request starts another."""
        if worker is not self.worker or self.exit_status is not None:
            return
        self.worker, self._loaded = None, []
        how = describe_end(status)
        _log.error("The worker ended: %s", how, extra=LOCAL_ONLY)
        problem = f"The working process ended unexpectedly ({how})."
        self._answer_status(problem)
        if self._running is None:
            return
        cancelled = self._running.deadline is not None
        error = Cancelled() if cancelled else WorkerError(problem, _REMEDY, status=status)
        self._finish(messages.failure(self._running.request.id, messages.error_json(error)))


_REMEDY = "Try again. If memory ran out, close other programs or choose a smaller model; the log has more."
