"""Fetching weights, against a small hub and file server of the test's own on the loopback address."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from engine.errors import Cancelled, DownloadError, ModelError
from engine.models.catalogue import HubSource, ModelEntry, UrlSource
from engine.models.fetch import fetch_weights
from engine.models.weights import WeightFile, data_folder, model_folder, read_record
from engine.types import Progress

COMMIT = "a" * 40
WEIGHTS = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


class Hub(BaseHTTPRequestHandler):
    """The two routes of a hub that a download takes, and plain files below ``/files/``."""

    files: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []
    newest: ClassVar[str] = COMMIT

    def log_message(self, *args: Any) -> None: ...

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/api/models/someone/tiny"):
            _, _, revision = self.path.partition("/revision/")
            model = {"id": "someone/tiny", "sha": revision or self.newest, "siblings": []}
            self.send(json.dumps(model).encode(), with_body=with_body)
        elif self.path in self.files:
            self.send(self.files[self.path], with_body=with_body)
        else:
            self.send_error(404)

    def send(self, body: bytes, *, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    Hub.files = {f"/someone/tiny/resolve/{COMMIT}/ckpt/tiny.pt": WEIGHTS}
    Hub.asked, Hub.newest = [], COMMIT
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        address = f"http://127.0.0.1:{running.server_port}"
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield address
        running.shutdown()
        thread.join()


def hub_entry(**changes: Any) -> ModelEntry:
    source = HubSource(type="hub", repo="someone/tiny", filename="ckpt/tiny.pt", revision=changes.pop("revision", None))
    return entry(source, **changes)


def url_entry(url: str, member: str | None = None) -> ModelEntry:
    # The schema admits https alone; the test's server has no certificate.
    return entry(UrlSource.model_construct(type="url", url=url, member=member))


def entry(source: HubSource | UrlSource, **changes: Any) -> ModelEntry:
    values: dict[str, Any] = {
        "id": "tiny",
        "title": "Tiny",
        "kind": "open_clip",
        "architecture": "ViT-B-32",
        "sha256": None,
        "size_mb": None,
        "licence": None,
        "paper": None,
        "image_size": 224,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
    }
    return ModelEntry.model_construct(**{**values, **changes, "source": source, "ignored_keys": ()})


def test_first_fetch_records_the_commit_and_the_sha256(server: str) -> None:
    fetched = fetch_weights(hub_entry())
    assert fetched == WeightFile(model_folder(hub_entry()) / "ckpt" / "tiny.pt", SHA256)
    assert fetched.path.read_bytes() == WEIGHTS
    record = read_record(hub_entry())
    assert record is not None
    assert (record.sha256, record.revision) == (SHA256, COMMIT)


def test_second_fetch_asks_nobody(server: str) -> None:
    fetch_weights(hub_entry())
    asked = len(Hub.asked)
    fetch_weights(hub_entry())
    assert len(Hub.asked) == asked


def test_recorded_commit_is_held_to_when_the_hub_moves_on(server: str) -> None:
    fetch_weights(hub_entry()).path.unlink()
    Hub.newest = "b" * 40
    Hub.files[f"/someone/tiny/resolve/{Hub.newest}/ckpt/tiny.pt"] = b"newer"
    assert fetch_weights(hub_entry()).sha256 == SHA256
    assert [path for path in Hub.asked if Hub.newest in path] == []


def test_other_content_under_the_recorded_commit_is_refused_and_not_kept(server: str) -> None:
    first = fetch_weights(hub_entry())
    first.path.unlink()
    Hub.files = {f"/someone/tiny/resolve/{COMMIT}/ckpt/tiny.pt": b"other" * 1000}
    with pytest.raises(ModelError, match="recorded at the first fetch") as caught:
        fetch_weights(hub_entry())
    assert caught.value.data["expected"] == SHA256
    assert not first.path.exists()


def test_content_that_is_not_the_catalogues_is_refused(server: str) -> None:
    with pytest.raises(ModelError, match=f"its sha256 is {SHA256}, the catalogue's is {'0' * 64}"):
        fetch_weights(hub_entry(sha256="0" * 64))


def test_file_changed_after_the_fetch_is_refused(server: str) -> None:
    fetched = fetch_weights(hub_entry())
    fetched.path.write_bytes(WEIGHTS[:-1] + b"!")
    with pytest.raises(ModelError, match=r"is not the file of model tiny.*mpsclip models fetch tiny"):
        fetch_weights(hub_entry())


def test_progress_ends_with_all_bytes(server: str) -> None:
    seen: list[Progress] = []
    fetch_weights(hub_entry(), seen.append)
    assert (seen[-1].stage, seen[-1].done, seen[-1].total) == ("download", len(WEIGHTS), len(WEIGHTS))


def test_cancelling_sink_stops_the_download(server: str) -> None:
    def stop(progress: Progress, /) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        fetch_weights(hub_entry(), stop)
    assert not (model_folder(hub_entry()) / "ckpt" / "tiny.pt").exists()


@pytest.mark.parametrize("place", ["ckpt/tiny.pt", "tiny.pt"])
def test_file_put_there_by_hand_is_taken_without_a_network(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    path = model_folder(hub_entry()) / place
    path.parent.mkdir(parents=True)
    path.write_bytes(WEIGHTS)
    assert fetch_weights(hub_entry()) == WeightFile(path, SHA256)
    record = read_record(hub_entry())
    assert record is not None
    assert record.sha256 == SHA256


def test_unreachable_hub_says_what_to_fetch_and_where_to_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadError) as caught:
        fetch_weights(hub_entry(revision=COMMIT))
    message = str(caught.value)
    assert f"ckpt/tiny.pt of the hub's someone/tiny at revision {COMMIT}" in message
    assert str(model_folder(hub_entry())) in message


def test_file_that_the_hub_does_not_have_is_a_download_error(server: str) -> None:
    Hub.files = {}
    with pytest.raises(DownloadError, match="tiny could not be fetched"):
        fetch_weights(hub_entry())


def test_offline_switch_of_the_hub_is_respected(server: str) -> None:
    code = (
        "from engine.models.catalogue import catalogue; from engine.models.fetch import fetch_weights\n"
        "try: fetch_weights(catalogue().get('openai-vit-b-32'))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("DownloadError")
    assert "Unset HF_HUB_OFFLINE" in done.stdout
    assert Hub.asked == []


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, WEIGHTS)
    return stream.getvalue()


def test_member_of_a_zip_on_the_web_is_unpacked_and_the_zip_is_not_kept(server: str) -> None:
    Hub.files = {"/files/model.zip": zipped("run/epoch_20.pt", "run/readme.txt")}
    source = url_entry(f"{server}/files/model.zip", member="epoch_20.pt")
    seen: list[Progress] = []
    fetched = fetch_weights(source, seen.append)
    assert fetched == WeightFile(model_folder(source) / "epoch_20.pt", SHA256)
    assert sorted(path.name for path in model_folder(source).iterdir()) == ["epoch_20.pt", "record.json"]
    assert seen[-1].done == seen[-1].total == len(Hub.files["/files/model.zip"])


def test_member_cannot_leave_its_folder(server: str) -> None:
    Hub.files = {"/files/model.zip": zipped("../../outside/epoch_20.pt")}
    source = url_entry(f"{server}/files/model.zip", member="epoch_20.pt")
    assert fetch_weights(source).path == model_folder(source) / "epoch_20.pt"
    assert not list(data_folder().glob("**/outside"))


@pytest.mark.parametrize("names", [("other.pt",), ("a/epoch_20.pt", "b/epoch_20.pt")])
def test_zip_without_exactly_one_such_member_is_a_download_error(server: str, names: tuple[str, ...]) -> None:
    Hub.files = {"/files/model.zip": zipped(*names)}
    source = url_entry(f"{server}/files/model.zip", member="epoch_20.pt")
    with pytest.raises(DownloadError, match=r"files called epoch_20\.pt"):
        fetch_weights(source)
    assert list(model_folder(source).iterdir()) == []


def test_plain_file_on_the_web_is_fetched(server: str) -> None:
    Hub.files = {"/files/tiny.pt": WEIGHTS}
    assert fetch_weights(url_entry(f"{server}/files/tiny.pt")).path.name == "tiny.pt"


def test_damaged_record_is_a_model_error_with_its_remedy(server: str) -> None:
    fetch_weights(hub_entry())
    (model_folder(hub_entry()) / "record.json").write_text("{")
    with pytest.raises(ModelError, match=r"record\.json cannot be read"):
        fetch_weights(hub_entry())
