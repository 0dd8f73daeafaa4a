"""An interpreter that the user already has, looked at with the real ones of this machine."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qgis_mpsclip.install.errors import InstallCancelled, InstallError
from qgis_mpsclip.install.existing import examine
from qgis_mpsclip.install.needed import needed, release
from tests.plugin.support.index_server import make_wheel
from tests.plugin.support.real_uv import find_uv, run

ROOT = Path(__file__).resolve().parent.parent.parent
BASE = Path(getattr(sys, "_base_executable", sys.executable))
LOCKS = '{"format": 1, "python": ["3.10", "3.11", "3.12", "3.13"], "build": "build.txt", "locks": []}'


def script(file: Path, text: str) -> Path:
    file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    file.chmod(0o755)
    return file


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    """A folder of locks as the zip has it: no project file beside it. alpha and beta are needed, gamma comes along."""
    folder = tmp_path / "engine_src" / "requirements"
    folder.mkdir(parents=True)
    (folder / "locks.json").write_text(LOCKS, encoding="utf-8")
    (folder / "engine.txt").write_text(
        "# made by hand\n"
        "alpha==3.1 ; python_full_version < '3.11' \\\n    --hash=sha256:00\n    # via mpsclip (pyproject.toml)\n"
        "alpha==4.0 ; python_full_version >= '3.11' \\\n    --hash=sha256:00\n    # via mpsclip (pyproject.toml)\n"
        "be-ta==0.7 \\\n    --hash=sha256:00\n    # via\n    #   gamma\n    #   mpsclip (pyproject.toml)\n"
        "gamma==1.0 \\\n    --hash=sha256:00\n    # via alpha\n",
        encoding="utf-8",
    )
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An empty environment in a folder with a space and letters beyond ASCII."""
    folder = tmp_path / "my énv"
    made = run(["venv", "--quiet", "--python", BASE, folder], tmp_path / "cache")
    assert made.returncode == 0, made.output
    return folder


def put(environment: Path, name: str, version: str) -> None:
    """Install a package, as far as its metadata goes."""
    site = next(environment.glob("lib/python3*/site-packages"))
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")


def test_engine_environment_of_the_checkout_is_good(engine_python: Path) -> None:
    found = examine(engine_python)
    assert found.ok, found.text
    assert (found.missing, found.wrong) == ([], [])
    assert found.version in found.text and str(engine_python) in found.text


def test_folder_of_an_environment_will_do(environment: Path, requirements: Path) -> None:
    put(environment, "alpha", "3.0")
    put(environment, "Be_ta", "0.1rc1+local")
    found = examine(environment, requirements)
    assert found.ok, found.text
    assert str(environment / "bin" / "python") in found.text


def test_what_is_missing_or_too_old_is_told_with_a_command_that_mends_it(environment: Path, requirements: Path) -> None:
    put(environment, "alpha", "2.9.5")
    found = examine(environment / "bin" / "python", requirements)
    assert not found.ok
    assert (found.missing, found.wrong) == (["be-ta"], [("alpha", "2.9.5", "3")])
    assert "be-ta ≥ 0" in found.text and "alpha 2.9.5 → 3" in found.text
    command = found.text.splitlines()[-1]
    python = f"'{environment / 'bin' / 'python'}'"
    assert command == f"uv pip install --python {python} --require-hashes -r {requirements / 'engine.txt'}"
    put(environment, "pip", "26.0")
    command = examine(environment / "bin" / "python", requirements).text.splitlines()[-1]
    assert command == f"{python} -m pip install --require-hashes -r {requirements / 'engine.txt'}"


def test_the_command_really_mends_it(environment: Path, requirements: Path, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    text = ""
    for name, version in (("alpha", "4.0"), ("be-ta", "0.7")):
        wheel = make_wheel(name, version)
        (wheels / wheel.filename).write_bytes(wheel.content)
        text += (
            wheel.requirement.rstrip().replace(" --hash", " \\\n    --hash") + "\n    # via mpsclip (pyproject.toml)\n"
        )
    (requirements / "engine.txt").write_text(text, encoding="utf-8")
    found = examine(environment, requirements)
    assert found.missing == ["alpha", "be-ta"]
    command = shlex.split(found.text.splitlines()[-1])
    assert command[0] == "uv"
    mended = subprocess.run(
        [find_uv(), *command[1:], "--no-index", "--find-links", "wheels"],
        cwd=tmp_path,
        env={**os.environ, "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_NO_CONFIG": "1"},
        capture_output=True,
        text=True,
    )
    assert mended.returncode == 0, mended.stderr
    assert examine(environment, requirements).ok


def test_python_of_these_tests_is_qgis_s_own_and_is_to_be_left_alone() -> None:
    found = examine(Path(sys.executable))
    assert not found.ok
    assert "torch" in found.missing
    assert "Install engine" in found.text and "pip install" not in found.text


def test_old_python(tmp_path: Path) -> None:
    old = next(iter(sorted(Path.home().glob(".pyenv/versions/3.[4-9].*/bin/python"))), None)
    if old is None:
        pytest.skip("no Python before 3.10 (pyenv) on this machine")
    found = examine(old)
    assert not found.ok
    assert re.fullmatch(r"3\.[4-9]\.\d+", found.version)
    assert "too old: the engine needs 3.10 or newer" in found.text


def test_python_newer_than_the_locks_is_good_but_that_is_said(environment: Path, requirements: Path) -> None:
    put(environment, "alpha", "9")
    put(environment, "be-ta", "1")
    (requirements / "locks.json").write_text(LOCKS.replace('"3.11", "3.12", "3.13"', '"3.10"'), encoding="utf-8")
    found = examine(environment, requirements)
    assert found.ok and "Newer than Python 3.10 was not tried" in found.text


def test_what_is_no_python(tmp_path: Path) -> None:
    (tmp_path / "python.txt").write_text("", encoding="utf-8")
    says = script(tmp_path / "python-like", "echo hello; exit 3")
    other = script(tmp_path / "qgis", f"touch {tmp_path}/started")
    folder = tmp_path / "folder"
    folder.mkdir()
    for path, words in (
        (tmp_path / "nothing", "does not exist"),
        (folder, "folder without a Python"),
        (tmp_path / "python.txt", "is no Python"),
        (other, "is no Python"),
        (says, "is no Python that works (status 3). It says: hello"),
    ):
        found = examine(path)
        assert (found.ok, found.version) == (False, "")
        assert str(path) in found.text and words in found.text
    assert not (tmp_path / "started").exists()


def test_python_that_hangs_is_given_up(tmp_path: Path) -> None:
    start = time.monotonic()
    found = examine(script(tmp_path / "python", "sleep 60"), seconds=0.5)
    assert not found.ok and "within 0.5 s" in found.text
    assert time.monotonic() - start < 10


def test_cancel(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(InstallCancelled):
        examine(script(tmp_path / "python", "sleep 60"), is_cancelled=lambda: time.monotonic() - start > 0.3)
    assert time.monotonic() - start < 10


def test_variables_of_qgis_do_not_reach_it(
    environment: Path, requirements: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that only QGIS's own path has is missing."""
    put(environment, "alpha", "4.0")
    (tmp_path / "be_ta-0.7.dist-info").mkdir()
    (tmp_path / "be_ta-0.7.dist-info" / "METADATA").write_text("Name: be-ta\nVersion: 0.7\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert examine(environment, requirements).missing == ["be-ta"]


def test_floors_are_those_of_the_project_file() -> None:
    """In a checkout pyproject.toml has them; each is a direct dependency of the lock too."""
    wanted = needed(ROOT / "requirements")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    runtime = project[project.index("\ndependencies = [") : project.index("[project.optional-dependencies]")]
    stated = dict(re.findall(r'^ +"([\w.-]+)>=([\d.]+)"', runtime, re.MULTILINE))
    assert {name.replace("_", "-"): floor for name, floor in stated.items()} == wanted.floors
    assert release(wanted.oldest_python) >= (3, 10)


def test_floors_of_the_zip_are_the_locks_description_s(requirements: Path) -> None:
    assert needed(requirements).floors == {"alpha": "3", "be-ta": "0"}
    stated = LOCKS.replace('"locks"', '"floors": {"alpha": "3.1", "other": "1"}, "locks"')
    (requirements / "locks.json").write_text(stated, encoding="utf-8")
    assert needed(requirements).floors == {"alpha": "3.1", "be-ta": "0"}


def test_plugin_without_its_locks(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="Install the plugin again") as caught:
        examine(Path(sys.executable), tmp_path)
    assert caught.value.kind == "locks"


@pytest.mark.parametrize(
    ("version", "parts"), [("2.15.0rc1+cpu", (2, 15, 0)), ("1!3.4", (3, 4)), ("2025.1", (2025, 1)), ("x", ())]
)
def test_release(version: str, parts: tuple[int, ...]) -> None:
    assert release(version) == parts
