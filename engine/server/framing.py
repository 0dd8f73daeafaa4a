"""Frames: ``Content-Length: N``, an empty line, then N bytes of UTF-8 JSON (docs/protocol.md, "Frames")."""

from __future__ import annotations

import json
from typing import BinaryIO

from engine.types import Json

MAX_FRAME = 32 * 1024 * 1024
_MAX_HEADER = 4096
_CHUNK = 1 << 16


class BrokenFrameError(Exception):
    """What came in is no frame, or ended within one; nothing that follows can be understood."""


class FrameTooLargeError(Exception):
    """A frame has more bytes than are allowed; of one that came in, nothing was kept and the next can be read.

    Args:
        size: its length in bytes.
        limit: the length allowed.
    """

    def __init__(self, size: int, limit: int) -> None:
        self.size, self.limit = size, limit
        super().__init__(f"a frame of {size} bytes is larger than {limit}")


def encode(message: Json, limit: int = MAX_FRAME) -> bytes:
    """A message as one frame.

    Raises:
        FrameTooLargeError: the JSON has more than ``limit`` bytes.
        ValueError: a number is not finite.
    """
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Halves of a surrogate pair (file names that are no UTF-8) become \udcXX, which JSON reads back as they were.
    body = text.encode("utf-8", errors="backslashreplace")
    if len(body) > limit:
        raise FrameTooLargeError(len(body), limit)
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


class FrameReader:
    """Reads the bodies of frames from a stream whose ``read(n)`` returns as soon as it has something.

    Args:
        stream: unbuffered, as a raw pipe is; a buffered one would wait for n bytes.
        limit: the longest body accepted.
    """

    def __init__(self, stream: BinaryIO, limit: int = MAX_FRAME) -> None:
        self._stream, self._limit = stream, limit
        self._buffer = bytearray()

    def read(self) -> bytes | None:
        """The next body; None where the stream ends between two frames.

        Raises:
            FrameTooLargeError: and the frame was skipped.
            BrokenFrameError: no header of a frame, or the stream ended within a frame.
        """
        length = self._header()
        if length is None:
            return None
        if length > self._limit:
            self._skip(length)
            raise FrameTooLargeError(length, self._limit)
        while len(self._buffer) < length:
            self._receive(within="body")
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _header(self) -> int | None:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _MAX_HEADER:
                raise BrokenFrameError(f"no header within {_MAX_HEADER} bytes: {bytes(self._buffer[:40])!r} …")
            if not self._buffer:
                if not self._more():
                    return None
                continue
            self._receive(within="header")
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        return _content_length(lines)

    def _skip(self, length: int) -> None:
        while length > 0:
            if not self._buffer:
                self._receive(within="body")
            taken = min(length, len(self._buffer))
            del self._buffer[:taken]
            length -= taken

    def _receive(self, within: str) -> None:
        if not self._more():
            raise BrokenFrameError(f"the stream ended within the {within} of a frame")

    def _more(self) -> bool:
        data = self._stream.read(_CHUNK)
        self._buffer += data or b""
        return bool(data)


def _content_length(lines: list[bytes]) -> int:
    values = [value.strip() for name, _, value in (line.partition(b":") for line in lines) if _is_length(name)]
    # Ten digits are more than any limit; a longer number is noise, not a length.
    if len(values) != 1 or not values[0].isdigit() or len(values[0]) > 10:
        raise BrokenFrameError(f"a header without one Content-Length: {b' | '.join(lines)[:80]!r}")
    return int(values[0])


def _is_length(name: bytes) -> bool:
    return name.strip().lower() == b"content-length"
