"""Installations from a folder of wheels, without a network, and what they say when the folder is wanting."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.installed import InstalledEnvironment, current
from qgis_mpsclip.install.job import InstallJob
from tests.plugin.support.index_server import IndexServer, make_wheel
from tests.plugin.support.tiny_engine import TinyPlugin, ordinary_settings

BASE = Path(getattr(sys, "_base_executable", sys.executable))


@pytest.fixture
def index() -> Iterator[IndexServer]:
    """What another computer with internet would fetch the wheels from."""
    with IndexServer() as server:
        server.add("alpha", "1.0")
        server.add("be-ta", "2.0")
        yield server


@pytest.fixture
def plugin(tmp_path: Path, index: IndexServer, monkeypatch: pytest.MonkeyPatch) -> TinyPlugin:
    ordinary_settings(monkeypatch, tmp_path / "programs")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    made = TinyPlugin(tmp_path, index)
    made.write_locks()
    return made


@pytest.fixture
def wheels(tmp_path: Path, index: IndexServer) -> Path:
    """A folder with all that the lock names."""
    folder = tmp_path / "Räder 轮子 on a stick"
    folder.mkdir()
    for wheel in index.wheels:
        (folder / wheel.filename).write_bytes(wheel.content)
    return folder


def install(plugin: TinyPlugin, wheels: Path) -> InstalledEnvironment:
    return InstallJob(plugin.options(wheels=wheels)).run()


def refused(plugin: TinyPlugin, wheels: Path, kind: str) -> InstallError:
    """The error of an installation that leaves nothing in use and asks no index."""
    with pytest.raises(InstallError) as caught:
        install(plugin, wheels)
    assert caught.value.kind == kind, caught.value
    assert current(plugin.folder) is None
    assert plugin.index.requests == []
    return caught.value


def imported(environment: InstalledEnvironment, module: str) -> str:
    code = f"import {module} as it; print(it.__version__, getattr(it, 'evil', ''))"
    return subprocess.run([environment.python, "-c", code], capture_output=True, text=True).stdout.strip()


def test_folder_with_letters_beyond_ascii(plugin: TinyPlugin, wheels: Path, index: IndexServer) -> None:
    environment = install(plugin, wheels)
    assert (imported(environment, "alpha"), imported(environment, "be_ta")) == ("1.0", "2.0")
    assert current(plugin.folder) == environment
    assert index.requests == []


def test_missing_wheel_is_named_and_the_remedy_works(
    plugin: TinyPlugin, wheels: Path, index: IndexServer, tmp_path: Path
) -> None:
    (wheels / "be_ta-2.0-py3-none-any.whl").unlink()
    error = refused(plugin, wheels, "wheel-missing")
    assert "be-ta 2.0" in error.problem and "be_ta-2.0-*.whl" in error.remedy
    command = re.search(r"running: python (-m pip download .+)$", error.remedy)
    assert command is not None, error.remedy
    other = tmp_path / "another computer"
    other.mkdir()
    for lock in ("engine.txt", "build.txt"):
        (other / lock).write_bytes((plugin.requirements / lock).read_bytes())
    fetched = subprocess.run(
        [sys.executable, *shlex.split(command[1]), "--index-url", index.url],
        cwd=other,
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "localhost"},
        capture_output=True,
        text=True,
    )
    assert fetched.returncode == 0, fetched.stderr
    assert imported(install(plugin, other / "wheels"), "be_ta") == "2.0"


def test_file_that_was_changed(plugin: TinyPlugin, wheels: Path) -> None:
    other = make_wheel("be-ta", "2.0", code="evil = True\n")
    (wheels / other.filename).write_bytes(other.content)
    error = refused(plugin, wheels, "hash-mismatch")
    assert "be-ta 2.0" in error.problem and "fetch the file anew" in error.remedy


def test_file_that_was_cut_short(plugin: TinyPlugin, wheels: Path) -> None:
    file = wheels / "be_ta-2.0-py3-none-any.whl"
    file.write_bytes(file.read_bytes()[:100])
    error = refused(plugin, wheels, "hash-mismatch")
    assert file.name in error.problem


def test_folder_that_was_filled_for_another_system(plugin: TinyPlugin, wheels: Path, index: IndexServer) -> None:
    (wheels / index.wheels.pop().filename).unlink()
    other = index.add("be-ta", "2.0", tag="py3-none-win_amd64")
    (wheels / other.filename).write_bytes(other.content)
    plugin.write_locks()
    error = refused(plugin, wheels, "no-wheel")
    assert "win_amd64" in error.problem and "filled for another system" in error.remedy


def test_folder_that_is_not_there(plugin: TinyPlugin, wheels: Path) -> None:
    error = refused(plugin, wheels / "gone", "wheel-missing")
    assert str(wheels / "gone") in error.problem
