"""The worker: a child of the serving process that does one request after the other.

It talks frames to its parent, like that one to the client, in words of their own (nobody else speaks them):

====================  ==========================================================================
parent to worker      ``start`` {cache, log_level}, first; METHOD with ``id``; ``cancel`` {id}; ``end``
worker to parent      ``ready`` {devices, device, problems}; ``loaded`` {models}; ``progress``, ``shortlist``, ``hit``,
                      ``log``; and for each ``id`` one ``result`` or ``error``
====================  ==========================================================================

One thread reads, so that a cancellation is known at once; the main thread works. When the parent goes, the pipe ends,
and so does the worker, whatever it does.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO

from engine.server import messages
from engine.server.cancel import END_SECONDS, CancelFlag
from engine.server.child import INNER_LIMIT
from engine.server.framing import BrokenFrameError, FrameReader
from engine.server.logs import DEFAULT_LEVEL, LOCAL_ONLY, set_up
from engine.server.outbox import Outbox
from engine.server.progress import ProgressMeter
from engine.server.streams import private_stdin, private_stdout, utf8_stderr
from engine.server.work import Handler, Models, Work
from engine.types import Json, Progress

_log = logging.getLogger(__name__)


class WorkerLoop:
    """Reads jobs from one stream and writes what comes of them to another.

    Args:
        handlers: by method.
        get_ready: done once before the first job, such as loading libraries; what it returns is told as ``ready``.
        models: kept between jobs; told of as ``loaded`` whenever they have changed.
    """

    def __init__(
        self,
        incoming: BinaryIO,
        outgoing: BinaryIO,
        handlers: Mapping[str, Handler],
        get_ready: Callable[[], Json],
        models: Models,
    ) -> None:
        self._frames = FrameReader(incoming, INNER_LIMIT)
        self._outbox = Outbox(outgoing, INNER_LIMIT)
        self._handlers, self._get_ready, self._models = handlers, get_ready, models
        self._jobs: SimpleQueue[Json | None] = SimpleQueue()
        self._flag = CancelFlag()
        self._ended = threading.Event()
        self._cache: Path | None = None

    def run(self) -> None:
        """Returns when the parent says so or is gone; if work goes on for long then, the process ends within it."""
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        try:
            first = self._jobs.get()
            if first is not None:
                self._start(first["params"])
                self._tell("ready", self._get_ready())
                while (job := self._jobs.get()) is not None:
                    self._outbox.send(self._done(job))
        except (OSError, ValueError) as error:
            _log.info("The parent is gone: %s", error, extra=LOCAL_ONLY)
        finally:
            self._ended.set()

    def _start(self, params: Json) -> None:
        self._cache = Path(params["cache"]) if params["cache"] else None
        set_up(params["log_level"] or DEFAULT_LEVEL, lambda record: self._tell("log", record))

    def _done(self, job: Json) -> Json:
        """The answer to a job; whatever goes wrong in it is one too."""
        number, method = job["id"], job["method"]
        self._flag.begin(number)
        loaded = self._models.loaded
        meter = ProgressMeter(lambda params: self._tell("progress", params))

        def progress(step: Progress, /) -> None:
            self._flag.check()
            meter(step)

        work = Work(progress, self._flag.requested, self._tell, self._models, self._cache)
        try:
            self._flag.check()
            value = self._handlers[method](job["params"], work)
            meter.flush()
        except BaseException as error:  # a library that calls sys.exit() ends its request, not the engine
            if not messages.is_expected(error):
                _log.error("%s failed:\n%s", method, messages.traceback_of(error), extra=LOCAL_ONLY)
            return {"id": number, "error": messages.error_json(error)}
        finally:
            if self._models.loaded != loaded:
                self._tell("loaded", {"models": self._models.loaded})
        return {"id": number, "result": value}

    def _tell(self, method: str, params: Json) -> None:
        self._outbox.send({"method": method, "params": params})

    def _read(self) -> None:
        try:
            while (body := self._frames.read()) is not None:
                message = json.loads(body)
                if message["method"] == "cancel":
                    self._flag.cancel(message["params"]["id"])
                elif message["method"] == "end":
                    break
                else:
                    self._jobs.put(message)
        except (BrokenFrameError, OSError) as error:
            _log.info("The parent is gone: %s", error, extra=LOCAL_ONLY)
        self._flag.cancel_all()
        self._jobs.put(None)
        if not self._ended.wait(END_SECONDS):
            os._exit(1)  # the work does not listen


def run_worker(handlers: Mapping[str, Handler], get_ready: Callable[[], Json], models: Models) -> int:
    """:class:`WorkerLoop` on this process's own pipes; the exit status."""
    outgoing, incoming = private_stdout(), private_stdin()
    utf8_stderr()
    # Ctrl-C in a terminal reaches the parent too, which ends this process in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    WorkerLoop(incoming, outgoing, handlers, get_ready, models).run()
    # At once: to take down the interpreter with all its libraries takes longer than anybody waits for.
    os._exit(0)


def main() -> int:
    """The worker with all it can do."""
    from engine.server.handlers.machine import describe_machine
    from engine.server.handlers.table import HANDLERS
    from engine.server.models import ModelCache

    return run_worker(HANDLERS, describe_machine, ModelCache())


if __name__ == "__main__":
    main()
