from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.models.catalogue import catalogue
from engine.models.weights import local_file
from tests.support.colour_model import ground
from tests.support.rasters import write_raster


@dataclass(frozen=True)
class Outcome:
    """What a command did: its exit status and what it printed."""

    status: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.err.strip().splitlines()[-1]


Cli = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MPSCLIP_CACHE", str(folder))
    return folder


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    def run(*arguments: object) -> Outcome:
        words: Sequence[str] = [str(argument) for argument in arguments]
        try:
            status = main(words)
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capfd.readouterr()
        return Outcome(status, out, err)

    return run


@pytest.fixture
def packaged() -> None:
    """For tests that search with the packaged model's own weights."""
    if local_file(catalogue().get("rsicd-mini")) is None:
        pytest.skip("the packaged weights are not in resources/models")


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    cells = [["moss", "water", "sand"], ["brick", "moss", "snow"]]
    return write_raster(tmp_path / "große Karte.tif", ground(cells), photometric="RGB")
