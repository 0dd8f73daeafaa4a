"""Frames: what is encoded is decoded, however it is cut; what is no frame is refused."""

from __future__ import annotations

import json

import pytest

from qgis_mpsclip.client.framing import MAX_FRAME_BYTES, FrameDecoder, FrameError, encode

MESSAGE = {"jsonrpc": "2.0", "id": 1, "method": "search", "params": {"query": "Bäume neben 水"}}


def test_length_counts_bytes_of_utf8() -> None:
    frame = encode({"a": "ä"})
    assert frame == b'Content-Length: 10\r\n\r\n{"a":"\xc3\xa4"}'


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_pieces_of_any_size_give_the_messages_in_order(size: int) -> None:
    stream = encode(MESSAGE) + encode({"id": 2}) + encode({"id": 3})
    decoder = FrameDecoder()
    got = [message for i in range(0, len(stream), size) for message in decoder.feed(stream[i : i + size])]
    assert got == [MESSAGE, {"id": 2}, {"id": 3}]


def test_other_headers_are_passed_over() -> None:
    body = json.dumps(MESSAGE).encode()
    frame = b"Content-Type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    assert FrameDecoder().feed(frame) == [MESSAGE]


@pytest.mark.parametrize(
    "stream",
    [
        b"hello\r\n\r\n",
        b"x" * 1100,
        b"Content-Length: -3\r\n\r\n",
        b"Content-Length: 3\r\n\r\n{x}",
        b"Content-Length: 2\r\n\r\n[]",
        b"Content-Length: 1\r\n\r\n\xff",
        b"Content-Length: %d\r\n\r\n" % (MAX_FRAME_BYTES + 1),
    ],
)
def test_anything_else_is_refused(stream: bytes) -> None:
    with pytest.raises(FrameError):
        FrameDecoder().feed(stream)


def test_too_large_a_message_is_not_sent() -> None:
    with pytest.raises(FrameError, match=str(MAX_FRAME_BYTES)):
        encode({"text": "x" * MAX_FRAME_BYTES})
