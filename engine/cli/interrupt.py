"""Ctrl-C that works at once, even while a library computes."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from engine.errors import Cancelled

EXIT_STATUS = Cancelled.exit_status
_GRACE_SECONDS = 0.7


class Interrupt:
    """Whether the user has pressed Ctrl-C.

    Work asks :meth:`requested` and ends in order, committing what is finished. If it has not ended after 0.7 s (one
    call into a library may take longer), the process ends at once; commits are atomic, so that costs no more than the
    last seconds of work.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._ended = threading.Event()

    def requested(self) -> bool:
        return self._event.is_set()

    def leave(self) -> NoReturn:
        """End the process now: work has stopped, and to take down the interpreter with all its libraries takes longer
        than a person who has pressed Ctrl-C will wait.
        """
        sys.stderr.write(f"\nmpsclip: {Cancelled()}\n")
        sys.stderr.flush()
        os._exit(EXIT_STATUS)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Handles SIGINT and SIGTERM while it is entered; on the main thread only."""
        # The C handler writes to this socket at once; Python's would wait for the running call to return.
        inbox, outbox = socket.socketpair()
        outbox.setblocking(False)
        previous = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        descriptor = signal.set_wakeup_fd(outbox.fileno(), warn_on_full_buffer=False)
        watcher = threading.Thread(target=self._watch, args=(inbox,), name="interrupt", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._ended.set()
            signal.set_wakeup_fd(descriptor)
            for number, handler in previous.items():
                signal.signal(number, handler)
            outbox.close()
            watcher.join()
            inbox.close()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._event.set()

    def _watch(self, inbox: socket.socket) -> None:
        watched = {int(signal.SIGINT), int(signal.SIGTERM)}
        while received := inbox.recv(64):
            if watched.isdisjoint(received):
                continue
            self._event.set()
            if not self._ended.wait(_GRACE_SECONDS):
                self.leave()
            return
