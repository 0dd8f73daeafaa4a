"""Both clients with the real engine and the packaged model, on the drawn scene."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qgis_mpsclip.client import EngineClient, PendingRequest
from qgis_mpsclip.client.blocking import BlockingEngine, end_shared_engine
from qgis_mpsclip.errors import EngineCancelled, EngineCrashed
from qgis_mpsclip.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 300.0  # a start with cold caches, on a busy machine
Wait = Callable[..., None]


class Outcome:
    """What a request said."""

    def __init__(self, request: PendingRequest) -> None:
        self.request = request
        self.stages: list[str] = []
        self.partial: list[tuple[str, dict]] = []
        self.end: tuple[str, object] | None = None
        request.progress.connect(lambda params: self.stages.append(params["stage"]))
        request.partial.connect(lambda method, params: self.partial.append((method, params)))
        request.finished.connect(lambda result: self._over("finished", result))
        request.failed.connect(lambda error: self._over("failed", error))
        request.cancelled.connect(lambda: self._over("cancelled", None))

    def _over(self, how: str, what: object) -> None:
        assert self.end is None
        self.end = (how, what)

    def over(self) -> bool:
        return self.end is not None


@pytest.fixture
def client(engine_python: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineClient]:
    monkeypatch.setenv("MPSCLIP_PYTHON", str(engine_python))
    client = EngineClient(Settings())
    yield client
    client.shutdown()


@pytest.fixture
def params(scene_raster: Path, tmp_path: Path) -> Callable[..., dict]:
    def make(query: str = "a parking lot", **options: object) -> dict:
        out = tmp_path / f"{query}-{time.monotonic_ns()}.gpkg"
        return {
            "query": query,
            "rasters": [str(scene_raster)],
            "out": str(out),
            "overwrite": False,
            "options": {"top": 5, "refine": 2, **options},
        }

    return make


def pid_of(client: EngineClient) -> int:
    return client._process._process.processId()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    return True


def test_search_shows_a_shortlist_then_refined_hits_then_the_report_also_after_an_error(
    client: EngineClient, params: Callable[..., dict], wait_until: Wait, tmp_path: Path
) -> None:
    missing = Outcome(client.request("search", {**params(), "rasters": [str(tmp_path / "none.tif")]}))
    wait_until(missing.over, SECONDS)
    how, error = missing.end
    assert (how, error.code) == ("failed", -32020)
    assert "none.tif" in error.problem and error.remedy
    first = pid_of(client)

    asked = params()
    outcome = Outcome(client.request("search", asked))
    wait_until(outcome.over, SECONDS)
    how, report = outcome.end
    assert how == "finished", report
    methods = [method for method, _ in outcome.partial]
    assert methods[0] == "shortlist"
    assert methods.count("shortlist") == 1
    assert methods.count("hit") == 2
    assert {"index", "rank", "refine"} & {*outcome.stages}
    assert [hit["rank"] for hit in report["hits"]] == list(range(1, len(report["hits"]) + 1))
    assert report["hits"][0]["geometry"]["type"] == "Polygon"
    assert Path(asked["out"]).is_file()
    assert report["out"] == asked["out"]
    assert pid_of(client) == first


def test_queue_cancel_kill_and_idle_end(
    client: EngineClient,
    params: Callable[..., dict],
    wait_until: Wait,
    fresh_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One engine after the other, since each takes seconds to start."""
    # Small tiles make it work long enough to be caught at it.
    long = [Outcome(client.request("search", params(tile="32px", overlap=0.5))) for _ in range(3)]
    wait_until(lambda: "index" in long[0].stages, SECONDS)
    first = pid_of(client)

    status = Outcome(client.request("status", {}))
    wait_until(status.over, SECONDS)
    assert status.end[0] == "finished"
    assert not long[0].over()  # it was answered while the search goes on

    long[0].request.cancel()
    wait_until(long[0].over, SECONDS)
    assert long[0].end[0] == "cancelled"

    wait_until(lambda: bool(long[1].stages), SECONDS)
    assert pid_of(client) == first  # the engine was not ended to end the search
    os.kill(first, signal.SIGKILL)
    wait_until(long[1].over, SECONDS)
    assert isinstance(long[1].end[1], EngineCrashed)
    assert "SIGKILL" in long[1].end[1].problem

    wait_until(lambda: bool(long[2].stages), SECONDS)  # what was queued goes to the next engine
    second = pid_of(client)
    assert second != first
    long[2].request.cancel()
    wait_until(long[2].over, SECONDS)
    assert long[2].end[0] == "cancelled"

    monkeypatch.setattr(Settings, "idle_minutes", 0.005)
    listing = Outcome(client.request("index.list", {}))
    wait_until(listing.over, SECONDS)
    wait_until(lambda: gone(second), SECONDS)
    assert not client.is_running()


def test_engine_ends_when_qgis_is_killed(engine_python: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys, time\n"
        "from qgis_mpsclip.client.blocking import BlockingEngine, _shared\n"
        "with BlockingEngine() as engine:\n"
        "    engine.request('index.list', {})\n"
        "    print(_shared._process._process.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    environment = {**os.environ, "MPSCLIP_PYTHON": str(engine_python), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=tmp_path, text=True) as parent:
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.kill()
    end = time.monotonic() + 20
    while not gone(pid):
        assert time.monotonic() < end, "the engine outlives its parent"
        time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []  # no profile, no log


def test_blocking_search_returns_the_report_and_can_be_cancelled(
    engine_python: Path, params: Callable[..., dict], monkeypatch: pytest.MonkeyPatch, fresh_cache: Path
) -> None:
    monkeypatch.setenv("MPSCLIP_PYTHON", str(engine_python))
    end_shared_engine()
    results: list[dict] = []
    stages: list[str] = []

    def work() -> None:
        with BlockingEngine() as engine:
            results.append(engine.request("search", params(), on_partial=lambda method, _: stages.append(method)))
            seen: list[dict] = []
            asked = params(tile="32px", overlap=0.5)
            try:
                engine.request("search", asked, on_progress=seen.append, is_cancelled=lambda: len(seen) > 3)
            except EngineCancelled:
                results.append({"cancelled": True})

    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(2 * SECONDS)
    finally:
        end_shared_engine()
    assert len(results) == 2
    assert results[0]["hits"][0]["rank"] == 1
    assert stages[0] == "shortlist"
    assert results[1] == {"cancelled": True}
