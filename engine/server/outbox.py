"""What goes out: whole frames, whichever thread they come from."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import BinaryIO

from engine.errors import OutputError
from engine.server.framing import MAX_FRAME, FrameTooLargeError, encode
from engine.server.messages import error_json, failure
from engine.types import Json

_log = logging.getLogger(__name__)


class Outbox:
    """Writes messages as frames, each whole, in the order in which they are sent.

    Args:
        stream: where to.
        limit: longest body of a frame, bytes.
    """

    def __init__(self, stream: BinaryIO, limit: int = MAX_FRAME) -> None:
        self._stream, self._limit = stream, limit
        self._lock = threading.Lock()

    def send(self, message: Json) -> None:
        """Writes one message. An answer that is too large for a frame becomes an error, a notification is dropped.

        Raises:
            OSError: the other side has gone.
            ValueError: the stream is closed.
        """
        frame = memoryview(self._frame(message))
        if frame:
            with self._lock:
                while frame:  # an unbuffered pipe may take a part only
                    frame = frame[self._stream.write(frame) :]
                self._stream.flush()

    def _frame(self, message: Json) -> bytes:
        try:
            return encode(message, self._limit)
        except FrameTooLargeError as error:
            if "method" in message:
                _log.warning("A message %s of %d bytes is too large to be sent", message["method"], error.size)
                return b""
            told = OutputError(
                f"The answer has {error.size} bytes, more than a frame may have ({error.limit}).",
                "Ask for fewer hits (option top); a search's result file has been written and holds all of them.",
                bytes=error.size,
            )
            return encode(failure(message.get("id"), error_json(told)), self._limit)
        except ValueError as error:  # a number that is not finite
            _log.error("A message cannot be written as JSON: %s", error)
            return b"" if "method" in message else encode(failure(message.get("id"), error_json(error)), self._limit)


class BackgroundOutbox:
    """An outbox that never makes the sender wait: a thread of its own writes.

    Args:
        outbox: does the writing.
        gone: called once, in that thread, when the other side has gone; nothing is written from then on.
    """

    def __init__(self, outbox: Outbox, gone: Callable[[], None]) -> None:
        self._outbox, self._gone = outbox, gone
        self._queue: SimpleQueue[Json | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="outbox", daemon=True)
        self._thread.start()

    def send(self, message: Json) -> None:
        """Sent soon; safe in any thread."""
        self._queue.put(message)

    def close(self, seconds: float) -> None:
        """Waits until all is written, but no longer than so many seconds: nobody may be reading."""
        self._queue.put(None)
        self._thread.join(seconds)

    def _write(self) -> None:
        while (message := self._queue.get()) is not None:
            try:
                self._outbox.send(message)
            except (OSError, ValueError) as error:
                _log.info("Nothing more can be sent: %s", error)
                self._gone()
                return
