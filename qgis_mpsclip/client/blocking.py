"""The engine for Processing: requests that block their thread until they are answered."""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from qgis_mpsclip.client import messages
from qgis_mpsclip.client.blocking_process import BlockingProcess
from qgis_mpsclip.client.interpreter import Interpreter, find_interpreter
from qgis_mpsclip.errors import EngineCancelled, EngineError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.settings import Settings

POLL_SECONDS = 0.1
# An engine that has not ended a cancelled request by then is held up in a library and is ended itself.
CANCEL_SECONDS = 30.0
# How long a window waits for an engine to end.
END_SECONDS = 0.8

Params = dict[str, Any]


class _SharedEngine:
    """The process-wide engine: started by the first request, kept while leased and for the idle time afterwards.

    ``renew`` and ``end`` are called by QGIS's windows, so nothing slow happens under ``_lock``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starting = threading.Lock()  # one thread starts it, the others wait
        self._process: BlockingProcess | None = None
        self._ended = 0  # how often; whoever waits for a start that began before gives up
        self._leases = 0
        self._outdated = False
        self._idle: threading.Timer | None = None

    def lease(self) -> None:
        with self._lock:
            self._leases += 1
            self._stop_waiting()

    def release(self) -> None:
        minutes = Settings().idle_minutes
        with self._lock:
            self._leases -= 1
            outdated = self._outdated
            if self._leases == 0 and self._process is not None and minutes > 0 and not outdated:
                self._idle = threading.Timer(minutes * 60, self._end_if_idle)
                self._idle.daemon = True
                self._idle.start()
        if outdated:
            self._end_if_idle()

    def renew(self) -> None:
        self._outdated = True
        self._end_if_idle()

    def process(
        self, find: Callable[[Settings], Interpreter], is_cancelled: Callable[[], bool] | None
    ) -> BlockingProcess:
        with self._lock:
            ended = self._ended

        def is_over() -> bool:
            return self._ended != ended or (is_cancelled is not None and is_cancelled())

        while not self._starting.acquire(timeout=POLL_SECONDS):
            if is_over():
                raise EngineCancelled(tr("Cancelled."))
        try:
            return self._started(find, ended, is_over)
        finally:
            self._starting.release()

    def _started(
        self, find: Callable[[Settings], Interpreter], ended: int, is_over: Callable[[], bool]
    ) -> BlockingProcess:
        with self._lock:
            if self._process is not None and self._process.is_alive:
                return self._process
            self._outdated = False
        settings = Settings()
        process = BlockingProcess(find(settings))
        with self._lock:
            if self._ended == ended:
                self._process = process  # from now on it can be ended
        process.open(settings, is_over)
        return process

    def end(self) -> BlockingProcess | None:
        """Let go of the engine and give it to the caller, who has it leave."""
        with self._lock:
            self._ended += 1
            return self._let_go()

    def _end_if_idle(self) -> None:
        with self._lock:
            process = None if self._leases else self._let_go()
        if process is not None:
            _leave_soon(process)

    def _let_go(self) -> BlockingProcess | None:
        self._stop_waiting()
        self._outdated = False
        process, self._process = self._process, None
        return process

    def _stop_waiting(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None


def _leave_soon(process: BlockingProcess) -> None:
    """Has the engine leave, in a thread of its own, and waits for a moment: most engines are gone then."""
    leaving = threading.Thread(target=process.leave, name="mpsclip-engine-end", daemon=True)
    leaving.start()
    leaving.join(END_SECONDS)


_shared = _SharedEngine()


def end_shared_engine() -> None:
    """End the process-wide engine, if it runs; requests that wait for it raise EngineCancelled.

    Returns within a second; an engine that is slow to leave is ended later.
    """
    process = _shared.end()
    if process is not None:
        _leave_soon(process)


@atexit.register
def _end_at_exit() -> None:
    process = _shared.end()
    if process is not None:
        process.leave()  # new threads cannot be started any more


def renew_shared_engine() -> None:
    """Settings of the engine have changed: the running one ends when nobody holds a lease of it any more.

    Returns within a second.
    """
    _shared.renew()


class BlockingEngine:
    """A lease of the process-wide engine, which stays warm between leases; usable in any thread.

    ``with BlockingEngine() as engine: report = engine.request("search", {...})``. Several threads may hold leases; the
    engine works on their requests one after the other. It is started by the first request, anew after a crash.

    Args:
        find: names the interpreter when the engine is to be started.
    """

    def __init__(self, find: Callable[[Settings], Interpreter] = find_interpreter) -> None:
        self._find = find

    def __enter__(self) -> BlockingEngine:
        _shared.lease()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _shared.release()

    def request(
        self,
        method: str,
        params: Params,
        on_progress: Callable[[Params], None] | None = None,
        on_partial: Callable[[str, Params], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
        on_log: Callable[[str, str], None] | None = None,
    ) -> Params:
        """The answer to a request. All functions are called in the calling thread.

        Args:
            on_progress: gets the params of each progress notification.
            on_partial: gets method (``shortlist``, ``hit``) and params of each partial result.
            is_cancelled: asked ten times a second, also while the engine starts.
            on_log: gets level (``debug``, ``info``, ``warning``, ``error``) and text of what the engine has to say.

        Raises:
            EngineCancelled: ``is_cancelled`` returned true, or the engine was ended.
            EngineError: the engine failed it, crashed, or cannot be started.
        """
        process = _shared.process(self._find, is_cancelled)
        request_id, inbox = process.ask(method, params)
        cancelled_at: float | None = None
        answer: Params | None = None
        try:
            while answer is None:
                message = _next(inbox)
                if message is None:
                    raise process.why_gone() if cancelled_at is None else EngineCancelled(tr("Cancelled."))
                if "method" not in message:
                    answer = message or None
                elif cancelled_at is None:
                    _tell(message, on_progress, on_partial, on_log)
                if answer is None and cancelled_at is None and is_cancelled is not None and is_cancelled():
                    cancelled_at = time.monotonic()
                    process.cancel(request_id)
                elif cancelled_at is not None and time.monotonic() - cancelled_at > CANCEL_SECONDS:
                    process.kill(EngineCancelled(tr("The search engine was ended.")))
        finally:
            process.forget(request_id)
            if answer is None and cancelled_at is None:
                process.cancel(request_id)  # nobody will read the answer: a callback failed, or Ctrl-C
        return _result(answer)


def _next(inbox: queue.SimpleQueue) -> Params | None:
    """The next message; an empty one where none came in time, None where the engine has gone."""
    try:
        return inbox.get(timeout=POLL_SECONDS)
    except queue.Empty:
        return {}


def _tell(
    message: Params,
    on_progress: Callable[[Params], None] | None,
    on_partial: Callable[[str, Params], None] | None,
    on_log: Callable[[str, str], None] | None,
) -> None:
    method, params = str(message["method"]), message.get("params") or {}
    if method == "progress" and on_progress is not None:
        on_progress(params)
    elif method in messages.PARTIAL_METHODS and on_partial is not None:
        on_partial(method, params)
    elif method == "log" and on_log is not None:
        on_log(str(params.get("level")), str(params.get("message", "")))


def _result(answer: Params) -> Params:
    error: EngineError | None = messages.error_of(answer)
    if error is not None:
        raise error
    result = answer.get("result")
    return result if isinstance(result, dict) else {}
