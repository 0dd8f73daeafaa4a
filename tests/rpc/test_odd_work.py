"""Work that prints, does not listen, dies or fails, in the real server with its real child process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.rpc_client import ROOT, SERVE, RpcClient, frame

ODD = (sys.executable, str(Path(__file__).with_name("odd_engine.py")))
ACKNOWLEDGED = 2.5  # seconds; one is promised, the rest is for a busy test machine


@pytest.fixture(scope="module")
def shared() -> Iterator[RpcClient]:
    with RpcClient(ODD, PYTHONPATH=str(ROOT)) as client:
        client.initialize(log_level="info")
        yield client
        assert client.garbage == b""


@pytest.fixture
def engine() -> Iterator[RpcClient]:
    with RpcClient(ODD, PYTHONPATH=str(ROOT)) as client:
        client.initialize()
        yield client


def do(client: RpcClient, what: str) -> int:
    return client.send("search", query=what, rasters=["a.tif"], out="o.gpkg")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be asked for its status does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def waits_until_dead(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def test_what_a_library_prints_is_in_the_log_and_in_no_frame(shared: RpcClient) -> None:
    assert shared.result(do(shared, "prints"))["did"] == "printed"
    assert "noise" in shared.log()
    assert "a child was here" in shared.log()
    assert shared.result(do(shared, "nothing"))["did"] == "done"


def test_a_library_that_reads_standard_input_gets_no_frames(shared: RpcClient) -> None:
    assert shared.result(do(shared, "reads"))["did"] == ""


def test_a_defect_is_an_error_without_a_traceback_which_the_log_has(shared: RpcClient) -> None:
    error = shared.error(do(shared, "fails"))
    assert error["code"] == -32603
    assert "ZeroDivisionError: a deep reason" in error["message"]
    assert "log" in error["data"]["remedy"]
    assert "Traceback" not in str(shared.messages)
    assert "odd_engine.py" in shared.log()
    assert "Traceback" in shared.log()


def test_a_library_that_ends_the_program_ends_its_request_only(shared: RpcClient) -> None:
    before = shared.result(do(shared, "nothing"))["pid"]
    assert shared.error(do(shared, "exits"))["code"] == -32603
    assert shared.result(do(shared, "nothing"))["pid"] == before


def test_an_answer_too_large_for_a_frame_is_an_error(shared: RpcClient) -> None:
    assert shared.error(do(shared, "answers_at_length"))["code"] == -32050


def test_the_engines_own_notes_are_told_and_those_of_libraries_are_not(shared: RpcClient) -> None:
    request = do(shared, "logs")
    shared.result(request)
    assert {"id": request, "level": "warning", "message": "the local keywords were taken"} in shared.said("log")
    assert "a library's business" not in str(shared.said("log"))


def test_work_that_listens_is_cancelled_and_its_process_lives_on(shared: RpcClient) -> None:
    pid = shared.result(do(shared, "nothing"))["pid"]
    request = do(shared, "listens")
    shared.wait_for(lambda message: message.get("params", {}).get("id") == request)
    asked = time.monotonic()
    assert shared.result(shared.send("cancel", id=request)) == {"cancelled": True}
    assert time.monotonic() - asked < ACKNOWLEDGED
    assert shared.error(request)["code"] == -32800
    assert shared.result(do(shared, "nothing"))["pid"] == pid


@pytest.mark.parametrize("what", ["does_not_listen", "holds_the_lock"])
def test_work_that_does_not_listen_is_acknowledged_at_once_and_then_killed(shared: RpcClient, what: str) -> None:
    pid = shared.result(do(shared, "nothing"))["pid"]
    request, waiting = do(shared, what), do(shared, "nothing")
    time.sleep(0.3)  # it has begun
    asked = time.monotonic()
    assert shared.result(shared.send("cancel", id=request)) == {"cancelled": True}
    assert time.monotonic() - asked < ACKNOWLEDGED
    assert shared.result(shared.send("models.list"))["models"]
    assert shared.error(request)["code"] == -32800
    assert time.monotonic() - asked > 1.0  # the grace of this engine
    assert waits_until_dead(pid, 5)
    answer = shared.result(waiting)
    assert answer["did"] == "done"
    assert answer["pid"] != pid


@pytest.mark.parametrize("ends", ["cancelled", "shut down"])
def test_a_process_that_is_killed_while_it_writes_leaves_nothing_beside_the_result(
    engine: RpcClient, tmp_path: Path, ends: str
) -> None:
    out = tmp_path / "o.gpkg"
    other = tmp_path / ".o-notes"
    other.mkdir()
    request = engine.send("search", query="writes_for_ages", rasters=["a.tif"], out=str(out))
    engine.wait_for(lambda message: message.get("method") == "hit")
    assert len(list(tmp_path.iterdir())) == 2
    if ends == "cancelled":
        engine.send("cancel", id=request)
        assert engine.error(request)["code"] == -32800
        assert engine.result(do(engine, "nothing"))["did"] == "done"
    engine.send("shutdown")
    assert engine.wait() == 0
    assert list(tmp_path.iterdir()) == [other]


def test_a_process_that_dies_fails_its_request_and_the_next_one_has_another(shared: RpcClient) -> None:
    request, waiting = do(shared, "dies"), do(shared, "nothing")
    error = shared.error(request)
    assert error["code"] == -32090
    assert "SIGABRT" in error["data"]["problem"]
    assert shared.result(waiting)["did"] == "done"


def worker_of(engine: RpcClient, what: str) -> int:
    """The number of the process that works, once it does not listen any more."""
    pid: int = engine.result(do(engine, "nothing"))["pid"]
    do(engine, what)
    time.sleep(0.3)
    return pid


@pytest.mark.parametrize("what", ["nothing", "does_not_listen", "holds_the_lock"])
def test_the_end_of_standard_input_ends_both_processes_whatever_they_do(engine: RpcClient, what: str) -> None:
    pid = worker_of(engine, what)
    closed = time.monotonic()
    engine.close_input()
    assert engine.wait() == 0
    assert time.monotonic() - closed < 5
    assert not is_alive(pid)


def test_sigterm_ends_both_processes_in_the_middle_of_work(engine: RpcClient) -> None:
    pid = worker_of(engine, "does_not_listen")
    engine.process.terminate()
    assert engine.wait() == 128 + 15
    assert not is_alive(pid)
    assert engine.garbage == b""


def test_a_worker_whose_server_was_killed_ends_too(engine: RpcClient) -> None:
    pid = worker_of(engine, "does_not_listen")
    engine.process.kill()
    assert waits_until_dead(pid, 10)


def test_a_parent_that_is_gone_ends_it_although_the_pipe_stays_open() -> None:
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as parent,
        RpcClient(ODD, PYTHONPATH=str(ROOT)) as engine,
    ):
        engine.initialize(parent_pid=parent.pid)
        pid = worker_of(engine, "does_not_listen")
        assert engine.process.poll() is None
        parent.communicate(b"\n")
        assert engine.wait() == 0
        assert not is_alive(pid)


def test_a_client_that_stops_listening_ends_it() -> None:
    """Its own pipes: a thread that reads would keep the pipe open."""
    command = [*SERVE, "--log-level", "error"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(frame({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocol": 1}}))
        assert process.stdout.read(100).startswith(b"Content-Length: ")
        process.stdout.close()
        process.stdin.write(frame({"jsonrpc": "2.0", "id": 2, "method": "models.list"}))
        assert process.wait(60) == 0
