"""The worker's process, as the serving process sees it."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess  # nosec B404  # the interpreter that runs already, with fixed arguments
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import engine
from engine.search.output import remove_leftovers
from engine.server.cancel import END_SECONDS
from engine.server.framing import BrokenFrameError, FrameReader, FrameTooLargeError
from engine.server.outbox import BackgroundOutbox, Outbox
from engine.types import Json

WORKER_COMMAND = (sys.executable, "-P", "-X", "utf8", "-m", "engine.server.worker")
# Between two processes of one engine a frame may be larger than to a client, who is told if an answer is.
INNER_LIMIT = 1 << 30
_log = logging.getLogger(__name__)


class WorkerProcess:
    """A child that works, and the pipes to it.

    Args:
        command: how it is started.
        on_message: receives each of its messages, in a thread of this object.
        on_end: receives its exit status (negative: a signal) when it has ended, in the same thread.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        on_message: Callable[[WorkerProcess, Json], None],
        on_end: Callable[[WorkerProcess, int], None],
    ) -> None:
        self._process = subprocess.Popen(  # nosec B603  # fixed arguments, no shell
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=_environment(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._on_message, self._on_end = on_message, on_end
        self._out: str | None = None  # of the last request: where a file may be half written
        self._outbox = BackgroundOutbox(Outbox(cast(BinaryIO, self._process.stdin), INNER_LIMIT), lambda: None)
        self._reader = threading.Thread(target=self._read, name="worker", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: Json) -> None:
        """Sent soon; nothing happens where the process has ended."""
        self._out = message.get("params", {}).get("out", self._out)
        self._outbox.send(message)

    def kill(self) -> None:
        """Ends it at once, whatever it does; ``on_end`` follows."""
        self._process.kill()

    def end(self) -> None:
        """Ends it in order, and if that takes too long, at once; when this returns it has ended."""
        self.send({"method": "end"})
        # A little more than it gives itself.
        self._reader.join(END_SECONDS + 0.5)
        if self._reader.is_alive():
            self.kill()
            self._reader.join()

    def _read(self) -> None:
        pipe = cast(BinaryIO, self._process.stdout)
        reader = FrameReader(pipe, INNER_LIMIT)
        try:
            while (body := reader.read()) is not None:
                self._on_message(self, json.loads(body))
        except (BrokenFrameError, FrameTooLargeError, ValueError) as error:
            _log.warning("The worker sent what is no message: %s", error)
            self.kill()
        status = self._process.wait()
        pipe.close()
        self._outbox.close(1.0)
        if self._out is not None:
            remove_leftovers(Path(self._out), self.pid)
        with suppress(OSError):
            cast(BinaryIO, self._process.stdin).close()
        self._on_end(self, status)


def describe_end(status: int) -> str:
    """An exit status in words: ``"exit status 1"``, ``"signal SIGKILL"``."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"


def _environment() -> dict[str, str]:
    """The child finds the engine where this process has found it, and takes nothing from the current folder."""
    root = Path(engine.__file__).resolve().parent.parent
    if root.name in ("site-packages", "dist-packages"):  # found without being told
        return dict(os.environ)
    before = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), before]) if before else str(root)}
