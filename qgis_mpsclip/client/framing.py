"""Frames on the engine's pipes: ``Content-Length: N``, an empty line, N bytes of UTF-8 JSON (docs/protocol.md)."""

from __future__ import annotations

import json
from typing import Any

MAX_FRAME_BYTES = 32 * 1024 * 1024
_MAX_HEADER_BYTES = 1024
_SEPARATOR = b"\r\n\r\n"


class FrameError(Exception):
    """What came in is no frame of the protocol, or a message is too large to be one."""


def encode(message: dict[str, Any]) -> bytes:
    """One frame.

    Raises:
        FrameError: the message is larger than a frame may be.
    """
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"A message of {len(body)} bytes is larger than {MAX_FRAME_BYTES}.")
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


class FrameDecoder:
    """Puts messages together from bytes that come in pieces of any size."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._length: int | None = None  # of the body that is being received

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that ``data`` completes, in order.

        Raises:
            FrameError: the stream is broken; nothing that follows can be understood.
        """
        self._buffer += data
        messages = []
        while True:
            if self._length is None and not self._read_header():
                return messages
            if len(self._buffer) < self._length:
                return messages
            messages.append(_decode(bytes(self._buffer[: self._length])))
            del self._buffer[: self._length]
            self._length = None

    def _read_header(self) -> bool:
        end = self._buffer.find(_SEPARATOR)
        if end > _MAX_HEADER_BYTES or (end < 0 and len(self._buffer) > _MAX_HEADER_BYTES):
            raise FrameError(f"No header within {_MAX_HEADER_BYTES} bytes: {bytes(self._buffer[:60])!r}.")
        if end < 0:
            return False
        header = bytes(self._buffer[:end])
        self._length = _content_length(header)
        del self._buffer[: end + len(_SEPARATOR)]
        return True


def _content_length(header: bytes) -> int:
    for line in header.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            length = int(value)
            if length > MAX_FRAME_BYTES:
                raise FrameError(f"A frame of {length} bytes is larger than {MAX_FRAME_BYTES}.")
            return length
    raise FrameError(f"No content length in {header[:60]!r}.")


def _decode(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body.decode("utf-8"))
    except ValueError as error:
        raise FrameError(f"A frame holds no JSON: {error}.") from error
    if not isinstance(message, dict):
        raise FrameError(f"A frame holds no object but {body[:60]!r}.")
    return message
