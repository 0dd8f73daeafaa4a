from __future__ import annotations

import io
import json
import os
import threading
from typing import cast

import pytest

from engine.server.framing import BrokenFrameError, FrameReader, FrameTooLargeError, encode
from engine.server.outbox import BackgroundOutbox, Outbox
from engine.types import Json


def reader(data: bytes, limit: int = 100) -> FrameReader:
    return FrameReader(io.BytesIO(data), limit)


class Dribble(io.RawIOBase):
    """A stream that gives one byte a time, as a slow pipe may, and takes three."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data
        self.taken = b""

    def read(self, size: int = -1) -> bytes:
        first, self.data = self.data[:1], self.data[1:]
        return first

    def write(self, data: object) -> int:
        piece = bytes(cast(memoryview, data)[:3])
        self.taken += piece
        return len(piece)


def test_a_frame_is_length_empty_line_and_utf8_json() -> None:
    assert encode({"a": "ü"}) == b'Content-Length: 10\r\n\r\n{"a":"\xc3\xbc"}'


def test_frames_are_read_back_from_pieces_of_any_size() -> None:
    frames = FrameReader(cast(io.BytesIO, Dribble(encode({"n": 1}) + encode({"n": 2}))), 100)
    assert [frames.read(), frames.read(), frames.read()] == [b'{"n":1}', b'{"n":2}', None]


def test_header_names_are_read_in_any_case_and_other_headers_ignored() -> None:
    assert reader(b"Content-Type: x; charset=utf-8\r\ncontent-length:2\r\n\r\n{}").read() == b"{}"


def test_an_empty_body_is_a_frame() -> None:
    assert reader(b"Content-Length: 0\r\n\r\n").read() == b""


@pytest.mark.parametrize(
    "data",
    [
        b"Content-Length: 5\r\n\r\n{}",
        b"Content-Length: 5\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: two\r\n\r\n{}",
        b"Content-Length: 99999999999\r\n\r\n{}",
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"Length: 2\r\n\r\n{}",
        b'{"jsonrpc": "2.0"}\n' * 300,
    ],
    ids=["short body", "short header", "negative", "a word", "too many digits", "twice", "none", "no header at all"],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenFrameError):
        reader(data).read()


def test_a_frame_that_is_too_large_is_skipped_and_the_next_one_read() -> None:
    frames = reader(b"Content-Length: 101\r\n\r\n" + b"x" * 101 + encode({"n": 2}))
    with pytest.raises(FrameTooLargeError, match="101 bytes is larger than 100"):
        frames.read()
    assert frames.read() == b'{"n":2}'


def test_nothing_of_a_frame_that_is_too_large_is_kept_in_memory() -> None:
    read, write = os.pipe()
    size = 1 << 26

    def feed() -> None:
        with os.fdopen(write, "wb") as pipe:
            pipe.write(b"Content-Length: %d\r\n\r\n" % size)
            for _ in range(size >> 20):
                pipe.write(bytes(1 << 20))

    feeder = threading.Thread(target=feed)
    feeder.start()
    with os.fdopen(read, "rb", buffering=0) as pipe:
        frames = FrameReader(pipe, 1000)
        with pytest.raises(FrameTooLargeError):
            frames.read()
        assert len(frames._buffer) == 0
        assert frames.read() is None
    feeder.join()


def test_half_a_surrogate_pair_travels_as_an_escape() -> None:
    body = encode({"path": "a\udcff.tif"}).partition(b"\r\n\r\n")[2]
    assert body == b'{"path":"a\\udcff.tif"}'
    assert json.loads(body) == {"path": "a\udcff.tif"}


@pytest.mark.parametrize("message", [{"id": 7, "result": "x" * 700}, {"id": 7, "result": float("nan")}])
def test_an_answer_that_cannot_be_sent_becomes_an_error_of_the_same_request(message: Json) -> None:
    out = io.BytesIO()
    Outbox(out, 600).send(message)
    answer = json.loads(out.getvalue().partition(b"\r\n\r\n")[2])
    assert answer["id"] == 7
    assert answer["error"]["code"] == (-32050 if isinstance(message["result"], str) else -32603)
    assert answer["error"]["data"]["remedy"]


def test_a_notification_that_is_too_large_is_left_out() -> None:
    out = io.BytesIO()
    box = Outbox(out, 100)
    box.send({"method": "shortlist", "params": {"hits": "x" * 100}})
    box.send({"method": "progress", "params": {}})
    assert out.getvalue() == encode({"method": "progress", "params": {}})


def test_a_pipe_that_takes_a_part_gets_the_rest() -> None:
    out = Dribble()
    Outbox(cast(io.BytesIO, out)).send({"n": 1})
    assert out.taken == encode({"n": 1})


def test_who_sends_does_not_wait_for_who_does_not_read() -> None:
    read, write = os.pipe()
    gone = threading.Event()
    with os.fdopen(write, "wb", buffering=0) as pipe:
        box = BackgroundOutbox(Outbox(pipe), gone.set)
        for _ in range(20):  # more than a pipe holds
            box.send({"n": "x" * 100_000})
        assert not gone.is_set()
        os.close(read)
        assert gone.wait(20)
        box.close(20)
