"""The client for Processing, against a small process that speaks the protocol and misbehaves on demand."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qgis_mpsclip.client import blocking
from qgis_mpsclip.client.blocking import BlockingEngine, end_shared_engine, renew_shared_engine
from qgis_mpsclip.client.interpreter import Interpreter
from qgis_mpsclip.errors import EngineCancelled, EngineCrashed, EngineError
from qgis_mpsclip.settings import Settings

PEER = Path(__file__).resolve().parent / "client_peer"


def find(settings: Settings) -> Interpreter:
    return Interpreter(Path(sys.executable), PEER, "setting")


@pytest.fixture(autouse=True)
def _no_engine_before_or_after() -> Iterator[None]:
    end_shared_engine()
    yield
    end_shared_engine()


@pytest.fixture
def engine() -> Iterator[BlockingEngine]:
    with BlockingEngine(find) as engine:
        yield engine


def pid_of(engine: BlockingEngine) -> int:
    return engine.request("status", {})["pid"]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_search_returns_its_report_and_tells_the_rest_on_the_way(engine: BlockingEngine) -> None:
    told: list[tuple] = []
    report = engine.request(
        "search",
        {"query": "echo"},
        on_progress=lambda params: told.append((params["stage"], threading.current_thread())),
        on_partial=lambda method, params: told.append((method, threading.current_thread())),
        is_cancelled=lambda: False,
    )
    here = threading.current_thread()
    assert told == [("rank", here), ("shortlist", here), ("hit", here)]
    assert report["params"] == {"query": "echo"}


def test_notes_about_a_request_and_about_none_are_told_with_their_level(engine: BlockingEngine) -> None:
    told: list[tuple] = []
    engine.request("search", {"query": "echo"}, on_log=lambda *note: told.append((*note, threading.current_thread())))
    here = threading.current_thread()
    assert told == [("info", "searching", here), ("warning", "the local keywords were taken", here)]


def test_engine_stays_warm_from_lease_to_lease() -> None:
    with BlockingEngine(find) as first:
        pid = pid_of(first)
    with BlockingEngine(find) as second:
        assert pid_of(second) == pid


def test_unused_lease_starts_nothing() -> None:
    with BlockingEngine(find):
        assert blocking._shared._process is None


def test_error_of_the_engine_is_raised_with_its_remedy(engine: BlockingEngine) -> None:
    with pytest.raises(EngineError, match=r"The raster a.tif is missing. Check its path.") as caught:
        engine.request("search", {"query": "fail"})
    assert caught.value.code == -32020
    assert pid_of(engine)


def test_cancel_is_polled_and_the_engine_stays(engine: BlockingEngine) -> None:
    pid, stages = pid_of(engine), []
    with pytest.raises(EngineCancelled):
        engine.request("search", {"query": "wait"}, on_progress=stages.append, is_cancelled=lambda: bool(stages))
    assert pid_of(engine) == pid


def test_engine_that_cannot_be_cancelled_is_ended(engine: BlockingEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "CANCEL_SECONDS", 0.2)
    pid = pid_of(engine)
    with pytest.raises(EngineCancelled):
        engine.request("search", {"query": "deaf"}, is_cancelled=lambda: True)
    assert not alive(pid)
    assert pid_of(engine) != pid


def test_failed_callback_cancels_the_request(engine: BlockingEngine) -> None:
    pid = pid_of(engine)

    def fail(params: dict) -> None:
        raise KeyError("a mistake")

    with pytest.raises(KeyError, match="a mistake"):
        engine.request("search", {"query": "wait"}, on_progress=fail)
    assert pid_of(engine) == pid  # it would not answer while it waits for the cancel


def test_crash_is_raised_with_the_log_and_the_next_request_starts_anew(engine: BlockingEngine) -> None:
    pid = pid_of(engine)
    with pytest.raises(EngineCrashed, match="CUDA error: out of memory") as caught:
        engine.request("search", {"query": "die"})
    assert caught.value.problem == "The search engine ended unexpectedly (exit status 7)."
    assert pid_of(engine) != pid


def test_killed_engine_is_noticed_in_mid_request(engine: BlockingEngine) -> None:
    pid = pid_of(engine)
    with pytest.raises(EngineCrashed, match="SIGKILL"):
        engine.request("search", {"query": "wait"}, on_progress=lambda params: os.kill(pid, signal.SIGKILL))
    assert pid_of(engine) != pid


def test_engine_that_died_between_requests_is_replaced(engine: BlockingEngine) -> None:
    pid = pid_of(engine)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not blocking._shared._process.is_alive)
    assert pid_of(engine) != pid


@pytest.mark.parametrize(
    ("mode", "problem"),
    [
        ("die", "No module named 'torch'"),
        ("garbage", "sent something that is not understood"),
        ("old", "speaks version 0 of the protocol"),
    ],
)
def test_engine_that_does_not_open_is_an_error(
    engine: BlockingEngine, monkeypatch: pytest.MonkeyPatch, mode: str, problem: str
) -> None:
    monkeypatch.setenv("MPSCLIP_PEER", mode)
    with pytest.raises(EngineError, match=problem):
        engine.request("status", {})
    monkeypatch.setenv("MPSCLIP_PEER", "ok")
    assert pid_of(engine)


def test_missing_program_is_named(tmp_path: Path) -> None:
    with (
        BlockingEngine(lambda settings: Interpreter(tmp_path / "python", PEER, "setting")) as engine,
        pytest.raises(EngineCrashed, match=str(tmp_path / "python")),
    ):
        engine.request("status", {})


def test_several_threads_share_one_engine(engine: BlockingEngine) -> None:
    pids: list[int] = []

    def work() -> None:
        with BlockingEngine(find) as mine:
            pids.extend(mine.request("search", {"query": "echo"})["pid"] for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(pids) == 9
    assert len(set(pids)) == 1


def test_ending_the_engine_cancels_the_request_of_another_thread(engine: BlockingEngine) -> None:
    pid, caught, begun = pid_of(engine), [], threading.Event()

    def work() -> None:
        try:
            engine.request("search", {"query": "wait"}, on_progress=lambda params: begun.set())
        except EngineError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(20)
    end_shared_engine()
    thread.join(20)
    assert [type(error) for error in caught] == [EngineCancelled]
    assert not alive(pid)


def test_idle_engine_ends_when_nobody_holds_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "idle_minutes", 0.003)
    with BlockingEngine(find) as engine:
        pid = pid_of(engine)
        time.sleep(0.5)
        assert alive(pid)
    wait_for(lambda: not alive(pid))


def test_renewed_engine_serves_its_leases_to_the_end() -> None:
    with BlockingEngine(find) as engine:
        pid = pid_of(engine)
        renew_shared_engine()
        assert pid_of(engine) == pid
    wait_for(lambda: not alive(pid))
    with BlockingEngine(find) as engine:
        second = pid_of(engine)
    renew_shared_engine()
    assert not alive(second)


def test_shutdown_ends_an_engine_that_does_not_listen(engine: BlockingEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPSCLIP_PEER", "stay")
    monkeypatch.setattr("qgis_mpsclip.client.blocking_process.LEAVE_SECONDS", 0.3)
    pid = pid_of(engine)
    end_shared_engine()
    assert not alive(pid)


@pytest.fixture
def starting(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Thread, threading.Event, list[EngineError]]]:
    """A thread whose request waits for an engine that does not open; what cancels it, and what it raised."""
    monkeypatch.setenv("MPSCLIP_PEER", "mute")
    cancel, caught = threading.Event(), []

    def work() -> None:
        try:
            with BlockingEngine(find) as engine:
                engine.request("status", {}, is_cancelled=cancel.is_set)
        except EngineError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_for(lambda: blocking._shared._process is not None)
    yield thread, cancel, caught
    cancel.set()
    thread.join(20)


Starting = tuple[threading.Thread, threading.Event, list]


def test_engine_that_starts_can_be_cancelled(starting: Starting) -> None:
    thread, cancel, caught = starting
    pid = blocking._shared._process._process.pid
    cancel.set()
    thread.join(5)
    assert [type(error) for error in caught] == [EngineCancelled]
    assert not alive(pid)


def test_windows_do_not_wait_for_an_engine_that_starts(starting: Starting) -> None:
    thread, _, caught = starting
    begun = time.monotonic()
    renew_shared_engine()
    end_shared_engine()
    assert time.monotonic() - begun < 2 * blocking.END_SECONDS + 0.4
    thread.join(20)
    assert [type(error) for error in caught] == [EngineCancelled]


def test_second_request_that_waits_for_the_start_can_be_cancelled(starting: Starting) -> None:
    thread, _, _ = starting
    with BlockingEngine(find) as engine, pytest.raises(EngineCancelled):
        engine.request("status", {}, is_cancelled=lambda: True)
    assert thread.is_alive()


def test_engine_that_does_not_answer_is_given_up(engine: BlockingEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qgis_mpsclip.client.blocking_process.OPEN_SECONDS", 0.3)
    monkeypatch.setenv("MPSCLIP_PEER", "mute")
    with pytest.raises(EngineError, match="did not answer"):
        engine.request("status", {})


def test_end_of_an_engine_that_does_not_listen_keeps_nobody_waiting(
    engine: BlockingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPSCLIP_PEER", "stay")
    monkeypatch.setattr("qgis_mpsclip.client.blocking_process.LEAVE_SECONDS", 2)
    pid, begun = pid_of(engine), time.monotonic()
    end_shared_engine()
    assert time.monotonic() - begun < 1.2
    wait_for(lambda: not alive(pid))
