from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from engine.resources import project_version
from engine.server.dispatch import Dispatcher, Job
from engine.server.params import InitializeParams
from engine.types import Json

SEARCH = {"query": "water", "rasters": ["a.tif"], "out": "o.gpkg"}


@dataclass
class HandWorker:
    """A worker whose part the test plays."""

    told: list[Json] = field(default_factory=list)
    end_of_it: str = ""

    def send(self, message: Json) -> None:
        self.told.append(message)

    def kill(self) -> None:
        self.end_of_it = "killed"

    def end(self) -> None:
        self.end_of_it = "ended"


class Bench:
    """A dispatcher between a client and workers that are played by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[Json] = []
        self.jobs: deque[Job] = deque()
        self.background: deque[Job] = deque()
        self.workers: list[HandWorker] = []
        self.may_start = True
        self.dispatcher = Dispatcher(
            self,
            {"status": lambda cache: {"cache": cache}, "models.list": lambda _: {"models": []}, "index.list": broken},
            grace=5.0,
            clock=lambda: self.now,
        )

    def send(self, message: Json) -> None:
        self.sent.append(message)

    def post(self, job: Job) -> None:
        self.jobs.append(job)

    def in_background(self, job: Job) -> None:
        self.background.append(job)

    def start_worker(self, dispatcher: Dispatcher) -> HandWorker:
        if not self.may_start:
            raise OSError("no more processes")
        self.workers.append(HandWorker())
        return self.workers[-1]

    def opened(self, params: InitializeParams) -> None:
        self.params = params

    def ask(self, request_id: object, method: str, params: Json | None = None) -> None:
        message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}}
        self.dispatcher.receive(json.dumps(message).encode())

    def settle(self) -> None:
        """Whatever was begun in other threads has ended."""
        while self.background or self.jobs:
            (self.background or self.jobs).popleft()()

    def says(self, worker: HandWorker, **message: object) -> None:
        self.dispatcher.worker_said(worker, dict(message))

    def answers(self, request_id: object) -> list[Json]:
        return [message for message in self.sent if message.get("id") == request_id and "method" not in message]

    def code(self, request_id: object) -> int:
        (answer,) = self.answers(request_id)
        code: int = answer["error"]["code"]
        return code


def broken(cache: str | None) -> Json:
    raise ZeroDivisionError("index")


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.ask("i", "initialize", {"protocol": 1, "cache": "/c"})
    return made


Act = Callable[[Bench], None]


def test_initialize_tells_versions_and_starts_no_worker(bench: Bench) -> None:
    (answer,) = bench.answers("i")
    assert answer["result"]["protocol"] == 1
    assert answer["result"]["engine"] == project_version()
    assert bench.workers == []
    assert bench.params.cache == "/c"


def test_nothing_is_done_before_initialize() -> None:
    bench = Bench()
    bench.ask(1, "status")
    assert bench.code(1) == -32002
    assert not bench.background


def test_another_version_of_the_protocol_is_told_ours_whatever_else_it_says() -> None:
    bench = Bench()
    bench.ask(1, "initialize", {"protocol": 2, "of version 2": True})
    (answer,) = bench.answers(1)
    assert answer["error"]["code"] == -32010
    assert answer["error"]["data"]["protocol"] == 1
    bench.ask(2, "initialize", {"protocol": 1})
    assert "result" in bench.answers(2)[0]


def test_initialize_twice_is_refused(bench: Bench) -> None:
    bench.ask(2, "initialize", {"protocol": 1})
    assert bench.code(2) == -32600


def test_requests_are_worked_on_one_by_one_in_their_order(bench: Bench) -> None:
    bench.ask(1, "search", SEARCH)
    bench.ask("1", "index.build", {"rasters": ["a.tif"]})
    (worker,) = bench.workers
    assert worker.told == [{"id": 1, "method": "search", "params": SEARCH}]
    bench.says(worker, id=1, result={"hits": []})
    assert bench.answers(1) == [{"jsonrpc": "2.0", "id": 1, "result": {"hits": []}}]
    assert worker.told[1:] == [{"id": 2, "method": "index.build", "params": {"rasters": ["a.tif"]}}]
    bench.says(worker, id=2, error={"code": -32020, "message": "m", "data": {}})
    assert bench.code("1") == -32020


def test_an_id_in_use_is_refused_and_free_again_after_the_answer(bench: Bench) -> None:
    bench.ask(1, "search", SEARCH)
    bench.ask(1, "models.list")
    # With its id the error would be taken for the answer to the first.
    assert bench.code(None) == -32600
    bench.says(bench.workers[0], id=1, result={})
    bench.sent.clear()
    bench.ask(1, "models.list")
    bench.settle()
    assert bench.answers(1)[0]["result"] == {"models": []}


def test_notifications_of_the_worker_get_the_id_of_the_request(bench: Bench) -> None:
    bench.ask("s", "search", SEARCH)
    (worker,) = bench.workers
    bench.says(worker, method="progress", params={"stage": "load", "done": 0})
    bench.says(worker, method="hit", params={"hit": {"rank": 1}})
    bench.says(worker, method="log", params={"level": "warning", "message": "m"})
    assert bench.sent[1:] == [
        {"jsonrpc": "2.0", "method": "progress", "params": {"id": "s", "stage": "load", "done": 0}},
        {"jsonrpc": "2.0", "method": "hit", "params": {"id": "s", "hit": {"rank": 1}}},
        {"jsonrpc": "2.0", "method": "log", "params": {"id": "s", "level": "warning", "message": "m"}},
    ]


def test_a_note_of_work_that_nobody_waits_for_is_told_without_an_id(bench: Bench) -> None:
    bench.ask("s", "search", SEARCH)
    (worker,) = bench.workers
    bench.ask("c", "cancel", {"id": "s"})
    del bench.sent[:]
    bench.says(worker, method="hit", params={"hit": {"rank": 1}})
    bench.says(worker, method="log", params={"level": "info", "message": "m"})
    assert bench.sent == [{"jsonrpc": "2.0", "method": "log", "params": {"level": "info", "message": "m"}}]


def test_quick_requests_pass_by_one_that_computes(bench: Bench) -> None:
    bench.ask(1, "search", SEARCH)
    bench.ask(2, "models.list")
    bench.ask(3, "index.list")
    bench.settle()
    assert bench.answers(2)[0]["result"] == {"models": []}
    assert bench.code(3) == -32603
    assert bench.answers(1) == []


def test_the_first_status_waits_for_the_devices_later_ones_do_not(bench: Bench) -> None:
    bench.ask(1, "status")
    bench.settle()
    (worker,) = bench.workers
    assert bench.answers(1) == []
    machine = {"devices": [{"id": "cpu", "name": "CPU"}], "device": "cpu", "problems": []}
    bench.says(worker, method="ready", params=machine)
    assert bench.answers(1)[0]["result"] == {"cache": "/c", **machine, "loaded": []}
    bench.says(worker, method="loaded", params={"models": ["rsicd-mini"]})
    bench.ask(2, "search", SEARCH)
    bench.ask(3, "status")
    bench.settle()
    assert bench.answers(3)[0]["result"]["loaded"] == ["rsicd-mini"]


def test_status_is_answered_although_the_worker_dies_or_cannot_be_started(bench: Bench) -> None:
    bench.ask(1, "status")
    bench.settle()
    bench.dispatcher.worker_ended(bench.workers[0], 1)
    assert bench.answers(1)[0]["result"]["problems"] == ["The working process ended unexpectedly (exit status 1)."]
    bench.may_start = False
    bench.ask(2, "status")
    bench.settle()
    assert bench.answers(2)[0]["result"]["devices"] == []
    bench.ask(3, "search", SEARCH)
    assert bench.code(3) == -32090


def test_cancelling_is_acknowledged_at_once_and_told_to_the_worker(bench: Bench) -> None:
    bench.ask(1, "search", SEARCH)
    bench.ask(2, "cancel", {"id": 1})
    (worker,) = bench.workers
    assert bench.answers(2)[0]["result"] == {"cancelled": True}
    assert bench.answers(1) == []
    assert worker.told[1:] == [{"method": "cancel", "params": {"id": 1}}]
    bench.says(worker, method="progress", params={"stage": "index"})
    bench.says(worker, id=1, error={"code": -32800, "message": "m", "data": {}})
    assert bench.code(1) == -32800
    assert "progress" not in [message.get("method") for message in bench.sent]
    assert worker.end_of_it == ""


def test_a_request_said_to_be_cancelled_is_answered_so_even_if_it_was_quicker(bench: Bench) -> None:
    bench.ask(1, "search", SEARCH)
    bench.ask(2, "cancel", {"id": 1})
    bench.says(bench.workers[0], id=1, result={"hits": []})
    assert bench.code(1) == -32800


def test_a_waiting_request_is_cancelled_after_the_acknowledgement(bench: Bench) -> None:
    bench.ask(1, "search", SEARCH)
    bench.ask(2, "search", SEARCH)
    bench.ask(3, "cancel", {"id": 2})
    bench.settle()
    assert [message["id"] for message in bench.sent[1:]] == [3, 2]
    assert bench.code(2) == -32800
    bench.says(bench.workers[0], id=1, result={})
    assert len(bench.workers[0].told) == 1


@pytest.mark.parametrize("request_id", [7, "1", "i"])
def test_what_is_not_under_way_cannot_be_cancelled(bench: Bench, request_id: object) -> None:
    bench.ask(1, "search", SEARCH)
    bench.ask(2, "cancel", {"id": request_id})
    assert bench.answers(2)[0]["result"] == {"cancelled": False}
    assert len(bench.workers[0].told) == 1


def test_a_worker_that_does_not_listen_is_killed_after_the_grace_and_replaced(bench: Bench) -> None:
    bench.ask(1, "search", SEARCH)
    bench.ask(2, "search", SEARCH)
    assert bench.dispatcher.seconds_to_deadline() is None
    bench.ask(3, "cancel", {"id": 1})
    bench.now = 2.0
    bench.ask(4, "cancel", {"id": 1})  # does not prolong it
    assert bench.dispatcher.seconds_to_deadline() == 3.0
    bench.dispatcher.tick()
    assert bench.answers(1) == []
    bench.now = 5.0
    bench.dispatcher.tick()
    first, second = bench.workers
    assert first.end_of_it == "killed"
    assert bench.code(1) == -32800
    assert [message["method"] for message in second.told] == ["search"]
    # What the first one still says concerns nobody.
    bench.says(first, id=2, result={"of": "the dead"})
    bench.dispatcher.worker_ended(first, -9)
    assert bench.answers(2) == []
    bench.says(second, id=2, result={"of": "the living"})
    assert bench.answers(2)[0]["result"] == {"of": "the living"}


def test_a_worker_that_dies_fails_its_request_and_the_next_gets_another(bench: Bench) -> None:
    bench.ask(1, "search", SEARCH)
    bench.ask(2, "search", SEARCH)
    bench.dispatcher.worker_ended(bench.workers[0], -9)
    (answer,) = bench.answers(1)
    assert answer["error"]["code"] == -32090
    assert "signal SIGKILL" in answer["error"]["data"]["problem"]
    assert len(bench.workers) == 2
    bench.says(bench.workers[1], id=2, result={})
    assert "result" in bench.answers(2)[0]


def test_shutdown_answers_all_that_is_open_and_then_itself(bench: Bench) -> None:
    bench.ask(1, "search", SEARCH)
    bench.ask(2, "search", SEARCH)
    bench.ask(3, "models.list")
    bench.ask(4, "shutdown")
    assert [bench.code(n) for n in (1, 2, 3)] == [-32800] * 3
    assert bench.sent[-1] == {"jsonrpc": "2.0", "id": 4, "result": None}
    assert bench.dispatcher.exit_status == 0
    bench.settle()
    bench.says(bench.workers[0], id=1, result={})
    bench.ask(5, "models.list")
    assert bench.sent[-1]["id"] == 4


def test_a_defect_in_dispatching_is_an_answer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "in_background", lambda job: 1 // 0)
    bench.ask(1, "models.list")
    assert bench.code(1) == -32603
