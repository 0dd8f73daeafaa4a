"""What a client can do wrong, to the real process; it needs no PyTorch, since none of this is work."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.resources import project_version
from engine.server.framing import MAX_FRAME
from tests.support.rpc_client import RpcClient, frame


@pytest.fixture(scope="module")
def shared() -> Iterator[RpcClient]:
    """One engine for all that it must survive."""
    with RpcClient() as client:
        client.initialize(client="tests", log_level="info")
        yield client
        client.close_input()
        assert client.wait() == 0
        assert client.garbage == b""
        assert "Traceback" not in client.log()


@pytest.fixture
def engine() -> Iterator[RpcClient]:
    with RpcClient() as client:
        yield client


def still_answers(client: RpcClient) -> bool:
    return bool(client.result(client.send("models.list"))["models"])


def test_initialize_names_the_version_and_the_process(engine: RpcClient) -> None:
    answer = engine.initialize()
    assert answer["protocol"] == 1
    assert answer["engine"] == project_version()
    assert answer["pid"] == engine.process.pid


def test_initialize_costs_less_than_a_second_of_computing(engine: RpcClient) -> None:
    """The clock on the wall would measure the load of the test machine."""
    engine.initialize()
    process = Path(f"/proc/{engine.process.pid}")
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    assert (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") < 1.0
    assert "libtorch" not in (process / "maps").read_text()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"\xff\xfe\x00", -32700),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "status", "params": {"a": Infinity}}', -32700),
        (b"[]", -32600),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "status"}]', -32600),
        (b"7", -32600),
    ],
    ids=["cut off", "no UTF-8", "infinite", "empty batch", "batch", "a number"],
)
def test_a_bad_body_is_answered_without_an_id_and_survived(shared: RpcClient, body: bytes, code: int) -> None:
    with shared._changed:
        before = len(shared.messages)
    shared.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    assert still_answers(shared)
    (error,) = [message["error"] for message in shared.messages[before:] if message.get("id", 0) is None]
    assert error["code"] == code
    assert error["data"]["remedy"]


def test_unknown_methods_and_parameters_are_refused_with_the_known_ones(shared: RpcClient) -> None:
    error = shared.error(shared.send("evaluate"))
    assert error["code"] == -32601
    assert "search" in error["data"]["remedy"]
    error = shared.error(shared.send("search", query="a", rasters=["a.tif"], out="o.gpkg", colour="red"))
    assert (error["code"], error["data"]["parameter"]) == (-32602, "colour")
    error = shared.error(shared.send("search", query="a", rasters="a.tif", out="o.gpkg"))
    assert (error["code"], error["data"]["parameter"]) == (-32602, "rasters")
    assert shared.error(shared.send("initialize", protocol=1))["code"] == -32600


def test_notifications_and_answers_are_ignored(shared: RpcClient) -> None:
    shared.write(frame({"jsonrpc": "2.0", "method": "$/setTrace"}))
    shared.write(frame({"jsonrpc": "2.0", "id": 99, "result": None}))
    assert still_answers(shared)
    assert [message for message in shared.messages if message.get("id") == 99] == []


def test_frames_may_come_in_pieces_and_several_at_once(shared: RpcClient) -> None:
    first, second = (frame({"jsonrpc": "2.0", "id": name, "method": "models.list"}) for name in ("one", "two"))
    for byte in first[:30]:
        shared.write(bytes([byte]))
    time.sleep(0.05)
    shared.write(first[30:] + second)
    for name in ("one", "two"):
        shared.wait_for(lambda message, name=name: message.get("id") == name)  # type: ignore[misc]


def test_a_frame_that_is_too_large_is_refused_and_survived(shared: RpcClient) -> None:
    size = MAX_FRAME + 1
    shared.write(b"Content-Length: %d\r\n\r\n" % size)
    for start in range(0, size, 1 << 20):
        shared.write(bytes(min(1 << 20, size - start)))
    assert still_answers(shared)
    refused = [message["error"] for message in shared.messages if message.get("id", 0) is None]
    assert f"{size} bytes" in refused[-1]["message"]


def test_nothing_is_done_before_initialize_and_other_versions_are_told_ours(engine: RpcClient) -> None:
    assert engine.error(engine.send("status"))["code"] == -32002
    error = engine.error(engine.send("initialize", protocol=2))
    assert (error["code"], error["data"]["protocol"]) == (-32010, 1)
    assert engine.initialize()["protocol"] == 1


def test_what_has_no_header_is_answered_and_ends_it(engine: RpcClient) -> None:
    engine.initialize()
    engine.write(b'{"jsonrpc": "2.0", "id": 1, "method": "status"}\r\n\r\n')
    assert engine.error(None)["code"] == -32700
    assert engine.wait() == 1
    assert "Traceback" not in engine.log()


def test_a_pipe_closed_within_a_frame_ends_it(engine: RpcClient) -> None:
    engine.initialize()
    engine.write(b"Content-Length: 100\r\n\r\n{")
    engine.close_input()
    assert engine.wait() == 1
    assert engine.garbage == b""
    assert "Traceback" not in engine.log()


def test_shutdown_is_answered_and_ends_it(engine: RpcClient) -> None:
    engine.initialize()
    assert engine.result(engine.send("shutdown")) is None
    assert engine.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_with_whole_frames(engine: RpcClient, number: signal.Signals) -> None:
    engine.initialize()
    engine.process.send_signal(number)
    assert engine.wait() == 128 + number
    assert engine.garbage == b""
    assert "Traceback" not in engine.log()
