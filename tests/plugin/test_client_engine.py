"""The client for the user interface, against a small process that speaks the protocol and misbehaves on demand."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qgis.core import Qgis, QgsApplication

from qgis_mpsclip.client import EngineClient, Interpreter, PendingRequest, engine_client, framing
from qgis_mpsclip.client.log_files import KEPT, log_folder, new_log_file
from qgis_mpsclip.errors import EngineCrashed, EngineError, EngineMissing
from qgis_mpsclip.settings import Settings

PEER = Path(__file__).resolve().parent / "client_peer"
Wait = Callable[..., None]


class Outcome:
    """All that a request said, in order."""

    def __init__(self, request: PendingRequest) -> None:
        self.events: list[tuple] = []
        request.progress.connect(lambda params: self.events.append(("progress", params)))
        request.partial.connect(lambda method, params: self.events.append((method, params)))
        request.finished.connect(lambda result: self.events.append(("finished", result)))
        request.failed.connect(lambda error: self.events.append(("failed", error)))
        request.cancelled.connect(lambda: self.events.append(("cancelled", None)))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    @property
    def last(self) -> object:
        return self.events[-1][1]

    def over(self) -> bool:
        return bool({"finished", "failed", "cancelled"} & {*self.names})


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def client(settings: Settings) -> Iterator[EngineClient]:
    client = EngineClient(settings, find=lambda settings: Interpreter(Path(sys.executable), PEER, "setting"))
    client.states = []
    client.crashes = []
    client.stateChanged.connect(client.states.append)
    client.crashed.connect(client.crashes.append)
    yield client
    client.shutdown()


def search(client: EngineClient, query: str) -> tuple[PendingRequest, Outcome]:
    request = client.request("search", {"query": query})
    return request, Outcome(request)


def status(client: EngineClient, wait_until: Wait) -> dict:
    outcome = Outcome(client.request("status", {}))
    wait_until(outcome.over)
    assert outcome.names == ["finished"], outcome.events
    return outcome.last


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_nothing_runs_before_the_first_request(client: EngineClient) -> None:
    assert not client.is_running()
    assert client.state == "stopped"


def test_search_tells_progress_then_partial_results_then_the_report(client: EngineClient, wait_until: Wait) -> None:
    _, outcome = search(client, "echo")
    assert outcome.events == []  # nothing is told before the caller could listen
    wait_until(outcome.over)
    assert outcome.names == ["progress", "shortlist", "hit", "finished"]
    assert outcome.events[1][1]["hits"] == [{"rank": 1}]
    assert outcome.last["params"] == {"query": "echo"}
    assert client.states == ["starting", "ready", "busy", "ready"] or client.states == ["starting", "busy", "ready"]


def test_notes_of_the_engine_are_in_qgis_log_with_their_level(client: EngineClient, wait_until: Wait) -> None:
    notes: list[tuple] = []
    log = QgsApplication.messageLog()

    def note(message: str, tag: str, level: Qgis.MessageLevel) -> None:
        notes.append((message, tag, level))

    log.messageReceived.connect(note)
    try:
        _, outcome = search(client, "echo")
        wait_until(outcome.over)
    finally:
        log.messageReceived.disconnect(note)
    assert ("searching", "MPS-CLIP", Qgis.MessageLevel.Info) in notes
    assert ("the local keywords were taken", "MPS-CLIP", Qgis.MessageLevel.Warning) in notes


def test_process_gets_the_proxy_of_qgis_and_no_log_has_its_password(
    client: EngineClient, wait_until: Wait, monkeypatch: pytest.MonkeyPatch, proxy: Callable[..., None]
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    proxy(User="me", Password="top-key")  # pragma: allowlist secret
    seen = status(client, wait_until)["environment"]
    assert seen["HTTPS_PROXY"] == "http://me:top-key@proxy.example:3128"  # pragma: allowlist secret
    assert "top-key" not in Path(client.log_file).read_text(encoding="utf-8")


def test_process_is_the_same_for_the_next_request(client: EngineClient, wait_until: Wait) -> None:
    assert status(client, wait_until)["pid"] == status(client, wait_until)["pid"]


def test_process_gets_its_folder_and_a_cleaned_environment(
    client: EngineClient, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/qgis/python")
    monkeypatch.setenv("PROJ_LIB", "/qgis/proj")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    seen = status(client, wait_until)
    assert seen["cwd"] == str(PEER)
    assert seen["flags"] == {"user_site": False, "utf8": True}
    assert not {"PYTHONPATH", "PROJ_LIB"} & seen["environment"].keys()
    assert seen["environment"]["HTTPS_PROXY"] == "http://proxy:3128"


def test_answer_of_megabytes_arrives_whole(client: EngineClient, wait_until: Wait) -> None:
    _, outcome = search(client, "large")
    wait_until(outcome.over)
    assert outcome.last == {"text": "ä" * 400_000}


def test_slot_that_runs_a_dialog_does_not_hold_up_what_follows(client: EngineClient, wait_until: Wait) -> None:
    request = client.request("search", {"query": "echo"})
    seen: list[str] = []

    def linger(params: dict) -> None:
        seen.append("progress")
        wait_until(lambda: "finished" in seen)  # as a dialog's own event loop does
        seen.append("closed")

    request.progress.connect(linger)
    request.partial.connect(lambda method, params: seen.append(method))
    request.finished.connect(lambda result: seen.append("finished"))
    wait_until(lambda: "closed" in seen)
    assert seen == ["progress", "shortlist", "hit", "finished", "closed"]


def test_error_of_the_engine_keeps_problem_remedy_and_code(client: EngineClient, wait_until: Wait) -> None:
    _, outcome = search(client, "fail")
    wait_until(outcome.over)
    error = outcome.last
    assert (error.problem, error.remedy, error.code) == ("The raster a.tif is missing.", "Check its path.", -32020)
    assert error.data["raster"] == "a.tif"
    assert client.crashes == []


def test_cancel_ends_a_search_and_the_engine_stays(client: EngineClient, wait_until: Wait) -> None:
    pid = status(client, wait_until)["pid"]
    request, outcome = search(client, "wait")
    wait_until(lambda: outcome.names == ["progress"])
    request.cancel()
    request.cancel()
    wait_until(outcome.over)
    assert outcome.names == ["progress", "cancelled"]
    assert status(client, wait_until)["pid"] == pid
    request.cancel()
    assert outcome.names == ["progress", "cancelled"]


def test_searches_queue_while_status_is_answered_at_once(client: EngineClient, wait_until: Wait) -> None:
    first, waiting = search(client, "wait")
    _, second = search(client, "echo")
    third, never = search(client, "wait")
    wait_until(lambda: waiting.names == ["progress"])
    assert status(client, wait_until)
    assert client.state == "busy"
    third.cancel()
    wait_until(never.over)
    assert never.names == ["cancelled"]
    assert second.events == []
    first.cancel()
    wait_until(second.over)
    assert waiting.names[-1] == "cancelled"
    assert second.names[-1] == "finished"


def test_killed_engine_fails_its_search_and_a_new_one_goes_on_with_the_queue(
    client: EngineClient, wait_until: Wait
) -> None:
    pid = status(client, wait_until)["pid"]
    _, first = search(client, "wait")
    _, queued = search(client, "echo")
    wait_until(lambda: first.names == ["progress"])
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: first.over() and queued.over())
    assert first.names == ["progress", "failed"]
    assert isinstance(first.last, EngineCrashed)
    assert "SIGKILL" in first.last.problem
    assert "memory" in first.last.remedy
    assert queued.names[-1] == "finished"
    assert queued.last["pid"] != pid
    assert len(client.crashes) == 1


def test_crash_is_told_with_the_last_lines_of_the_log(client: EngineClient, wait_until: Wait) -> None:
    _, outcome = search(client, "die")
    wait_until(outcome.over)
    error = outcome.last
    assert error.problem == "The search engine ended unexpectedly (exit status 7)."
    assert error.log.splitlines() == ["loading weights", "CUDA error: out of memory"]
    assert Path(error.log_file).parent == log_folder()
    assert client.crashes == [str(error)]
    assert "CUDA error: out of memory" in client.crashes[0]
    assert client.state == "stopped"


def test_engine_that_cannot_be_cancelled_is_ended(
    client: EngineClient, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_client, "CANCEL_SECONDS", 0.2)
    pid = status(client, wait_until)["pid"]
    request, outcome = search(client, "deaf")
    wait_until(lambda: client.state == "busy")
    request.cancel()
    wait_until(outcome.over)
    assert outcome.names == ["cancelled"]
    assert client.crashes == []
    assert status(client, wait_until)["pid"] != pid


def test_what_is_no_frame_ends_the_engine(client: EngineClient, wait_until: Wait) -> None:
    _, outcome = search(client, "unreadable")
    wait_until(outcome.over)
    assert "Segmentation fault, said a library" in outcome.last.problem
    assert not client.is_running()


@pytest.mark.parametrize(
    ("mode", "problem"),
    [
        ("die", "The search engine does not start (exit status 1)."),
        ("garbage", "sent something that is not understood"),
        ("old", "speaks version 0 of the protocol, this plugin version 1"),
    ],
)
def test_engine_that_does_not_open_fails_all_that_waits(
    client: EngineClient, wait_until: Wait, monkeypatch: pytest.MonkeyPatch, mode: str, problem: str
) -> None:
    monkeypatch.setenv("MPSCLIP_PEER", mode)
    outcomes = [search(client, "echo")[1], search(client, "echo")[1]]
    wait_until(lambda: all(outcome.over() for outcome in outcomes))
    assert [outcome.names for outcome in outcomes] == [["failed"], ["failed"]]
    assert problem in str(outcomes[0].last)
    assert outcomes[0].last.remedy
    if mode == "die":
        assert "No module named 'torch'" in str(outcomes[0].last)
    monkeypatch.setenv("MPSCLIP_PEER", "ok")
    assert status(client, wait_until)


def test_engine_that_stays_silent_is_given_up(
    client: EngineClient, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPSCLIP_PEER", "mute")
    monkeypatch.setattr("qgis_mpsclip.client.engine_process.OPEN_SECONDS", 1)
    _, outcome = search(client, "echo")
    wait_until(outcome.over)
    assert "did not answer within 1 s" in outcome.last.problem


def test_missing_program_is_named(settings: Settings, wait_until: Wait, tmp_path: Path) -> None:
    missing = tmp_path / "python"
    client = EngineClient(settings, find=lambda settings: Interpreter(missing, PEER, "setting"))
    _, outcome = search(client, "echo")
    wait_until(outcome.over)
    assert str(missing) in outcome.last.problem
    assert not client.is_running()


def test_no_interpreter_is_an_error_with_a_remedy(settings: Settings, wait_until: Wait) -> None:
    settings.engine_python = "/nowhere/python"
    client = EngineClient(settings)
    _, outcome = search(client, "echo")
    wait_until(outcome.over)
    assert isinstance(outcome.last, EngineMissing)
    assert "/nowhere/python" in outcome.last.problem
    assert client.state == "stopped"


def test_too_large_a_request_fails_alone(
    client: EngineClient, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framing, "MAX_FRAME_BYTES", 1000)
    outcome = Outcome(client.request("search", {"query": "x" * 1000}))
    wait_until(outcome.over)
    assert isinstance(outcome.last, EngineError)
    assert "too large" in outcome.last.problem
    monkeypatch.undo()
    assert status(client, wait_until)


def test_idle_engine_ends_and_starts_again_when_needed(
    client: EngineClient, settings: Settings, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "idle_minutes", 0.005)
    pid = status(client, wait_until)["pid"]
    assert client.is_running()
    wait_until(lambda: not client.is_running())
    wait_until(lambda: not alive(pid))
    assert client.states[-1] == "stopped"
    assert client.crashes == []
    assert status(client, wait_until)["pid"] != pid


def test_shutdown_cancels_what_is_pending_and_leaves_no_process(client: EngineClient, wait_until: Wait) -> None:
    pid = status(client, wait_until)["pid"]
    _, running = search(client, "wait")
    _, queued = search(client, "echo")
    wait_until(lambda: running.names == ["progress"])
    client.shutdown()
    assert not alive(pid)
    assert running.names == ["progress", "cancelled"]
    assert queued.names == ["cancelled"]
    assert client.crashes == []
    assert client.state == "stopped"


def test_shutdown_ends_an_engine_that_does_not_listen(
    client: EngineClient, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPSCLIP_PEER", "stay")
    monkeypatch.setattr("qgis_mpsclip.client.engine_process.LEAVE_SECONDS", 0.3)
    pid = status(client, wait_until)["pid"]
    client.shutdown()
    assert not alive(pid)


def test_shutdown_while_the_engine_starts(client: EngineClient, wait_until: Wait) -> None:
    _, outcome = search(client, "echo")
    wait_until(lambda: client.state == "starting")
    client.shutdown()
    assert outcome.names == ["cancelled"]
    assert client.state == "stopped"


def test_only_the_newest_logs_are_kept() -> None:
    files = [new_log_file() for _ in range(KEPT + 3)]
    assert sorted(log_folder().glob("engine-*.log")) == sorted(files[-KEPT:])


def test_renewed_engine_finishes_what_it_has_and_takes_nothing_more(client: EngineClient, wait_until: Wait) -> None:
    pid = status(client, wait_until)["pid"]
    request, first = search(client, "wait")
    wait_until(lambda: first.names == ["progress"])
    client.renew()
    _, second = search(client, "echo")
    request.cancel()
    wait_until(second.over)
    assert first.names == ["progress", "cancelled"]
    assert second.last["pid"] != pid
    wait_until(lambda: not alive(pid))
    assert client.crashes == []
