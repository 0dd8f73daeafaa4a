"""Weights on demand, from a real server on the loopback address."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.errors import DownloadError, ModelError, UsageError
from engine.segment.samgeo.fetch import fetch, weights_of
from engine.segment.samgeo.weights import BERT, DINO, SAM, SAM3, WebFile
from engine.types import Progress

CONTENT = bytes(range(256)) * 9000


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/weights.pth":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def web_file(server: str, name: str = "weights.pth", sha256: str | None = None) -> WebFile:
    digest = sha256 or hashlib.sha256(CONTENT).hexdigest()
    return WebFile(name, f"{server}/{name}", len(CONTENT), digest)


def test_a_file_is_fetched_once_checked_and_its_progress_told(server: str, tmp_path: Path) -> None:
    told: list[Progress] = []
    folder = tmp_path / "new"
    [path] = fetch([web_file(server)], folder, told.append)
    assert path == folder / "weights.pth"
    assert path.read_bytes() == CONTENT
    assert (told[-1].done, told[-1].total) == (len(CONTENT), len(CONTENT))
    before = path.stat().st_mtime_ns
    fetch([web_file(server)], folder)
    assert path.stat().st_mtime_ns == before
    assert [file.name for file in folder.iterdir()] == ["weights.pth"]


def test_another_file_than_the_published_one_is_refused_and_deleted(server: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not the file that was published"):
        fetch([web_file(server, sha256="0" * 64)], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_fetched_is_described_for_doing_by_hand(server: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"absent\.pth could not be fetched: HTTP Error 404.*put it into"):
        fetch([web_file(server, "absent.pth")], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_hub_is_told_with_the_command_for_another_machine(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server)
    with pytest.raises(DownloadError, match=r"hf download facebook/sam3 --revision \w{40} .*hf auth login"):
        fetch([SAM3], tmp_path)


def test_each_segmenter_has_its_weights() -> None:
    assert weights_of("samgeo3") == [SAM3]
    assert weights_of("langsam") == [DINO, BERT, SAM["vit_h"]]
    assert weights_of("langsam", "vit_b") == [DINO, BERT, SAM["vit_b"]]
    assert weights_of("relevance+sam") == [SAM["vit_b"]]
    with pytest.raises(UsageError, match="cannot use --sam vit_b"):
        weights_of("samgeo3", "vit_b")


def test_an_unknown_segmenter_is_answered_with_the_known_ones(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["segmenters", "fetch", "magic"]) == 2
    assert "samgeo3, langsam, relevance+sam" in capfd.readouterr().err
