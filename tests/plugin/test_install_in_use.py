"""An environment that an engine runs from, whatever the path by which it was started."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.cli import environment as engines_side
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.in_use import LOCK, _commands, is_held, is_in_use
from qgis_mpsclip.install.installed import uninstall
from qgis_mpsclip.install.own import MARKER

ROOT = Path(__file__).resolve().parent.parent.parent
Wait = Callable[..., None]


@pytest.fixture
def environment(tmp_path: Path, engine_python: Path, engine_environment: dict[str, str]) -> Path:
    """An own environment with what the real engine needs; ``tmp_path / "link"`` leads to its folder."""
    made = tmp_path / "engines" / "env-1"
    subprocess.run([engine_python, "-m", "venv", "--without-pip", made], env=engine_environment, check=True)
    (packages,) = made.glob("lib/python3*/site-packages")
    (there,) = engine_python.parent.parent.glob("lib/python3*/site-packages")
    (packages / "engine.pth").write_text(str(there))
    (made / MARKER).touch()
    (tmp_path / "link").symlink_to(made.parent)
    return made


def test_engine_that_was_started_through_a_link_keeps_its_environment(
    environment: Path,
    tmp_path: Path,
    engine_environment: dict[str, str],
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qgis_mpsclip.install.installed._END_SECONDS", 0.2)
    command = [tmp_path / "link" / "env-1" / "bin" / "python", "-s", "-m", "engine", "serve"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    engines = [subprocess.Popen(command, cwd=ROOT, env=engine_environment, **pipes) for _ in range(2)]
    try:
        wait_until(lambda: is_in_use(environment))
        assert not any(command.startswith(str(environment)) for command in _commands()), "else the lock shows nothing"
        with pytest.raises(InstallError, match="runs from") as caught:
            uninstall(environment.parent)
        assert caught.value.kind == "in-use"
        engines[0].kill()
        engines[0].wait()
        assert is_in_use(environment), "the other one still runs"
    finally:
        for engine in engines:
            engine.kill()
            engine.wait()
            engine.stdin.close()
    assert not is_in_use(environment)
    uninstall(environment.parent)
    assert not environment.exists()


def test_only_an_environment_of_the_plugins_is_held(tmp_path: Path) -> None:
    assert (engines_side.LOCK, engines_side.MARKER) == (LOCK, MARKER)
    assert not engines_side.hold_environment(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not is_held(tmp_path)
