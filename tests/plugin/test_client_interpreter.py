"""Which Python runs the engine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from qgis_mpsclip.client.interpreter import PACKAGE, Interpreter, engine_folder, find_interpreter
from qgis_mpsclip.errors import EngineMissing
from qgis_mpsclip.install.installed import InstalledEnvironment, make_current
from qgis_mpsclip.install.places import default_folder
from qgis_mpsclip.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent


def make(path: Path, executable: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755 if executable else 0o644)
    return path


@pytest.fixture
def zip_install(tmp_path: Path) -> Path:
    """The plugin's folder as its zip leaves it, without an environment."""
    make(tmp_path / "plugins" / "qgis_mpsclip" / "engine_src" / "engine" / "__main__.py")
    return tmp_path / "plugins" / "qgis_mpsclip"


def test_setting_comes_before_variable_and_checkout(tmp_path: Path) -> None:
    settings = Settings()
    settings.engine_python = str(make(tmp_path / "a" / "python"))
    environ = {"MPSCLIP_PYTHON": str(make(tmp_path / "b" / "python"))}
    assert find_interpreter(settings, environ) == Interpreter(tmp_path / "a" / "python", ROOT, "setting")
    settings.engine_python = ""
    assert find_interpreter(settings, environ) == Interpreter(tmp_path / "b" / "python", ROOT, "environment")


def test_checkout_gives_its_own_environment(tmp_path: Path) -> None:
    make(tmp_path / "engine" / "__main__.py")
    python = make(tmp_path / ".venv" / "bin" / "python")
    package = tmp_path / "qgis_mpsclip"
    assert find_interpreter(Settings(), {}, package) == Interpreter(python, tmp_path, "checkout")


def test_plugin_that_is_a_link_into_a_checkout_finds_the_checkout() -> None:
    assert PACKAGE == ROOT / "qgis_mpsclip"
    assert engine_folder() == ROOT


def test_setting_may_name_the_folder_of_an_environment(tmp_path: Path) -> None:
    settings = Settings()
    settings.engine_python = str(tmp_path)
    python = make(tmp_path / "bin" / "python3")
    assert find_interpreter(settings, {}).python == python


def test_link_of_a_virtual_environment_is_not_followed(tmp_path: Path) -> None:
    link = tmp_path / "venv" / "python"
    link.parent.mkdir()
    link.symlink_to(make(tmp_path / "system" / "python"))
    assert find_interpreter(Settings(), {"MPSCLIP_PYTHON": str(link)}).python == link


def test_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = make(tmp_path / "python")
    monkeypatch.chdir(tmp_path)
    assert find_interpreter(Settings(), {"MPSCLIP_PYTHON": "./python"}).python == python


def test_zip_runs_the_engine_sources_it_brought(zip_install: Path, tmp_path: Path) -> None:
    python = make(tmp_path / "python")
    found = find_interpreter(Settings(), {"MPSCLIP_PYTHON": str(python)}, zip_install)
    assert found == Interpreter(python, zip_install / "engine_src", "environment")


def test_folder_of_plugins_with_an_environment_is_no_checkout(zip_install: Path) -> None:
    make(zip_install.parent / ".venv" / "bin" / "python")
    with pytest.raises(EngineMissing, match="Options ▸ MPS-CLIP"):
        find_interpreter(Settings(), {}, zip_install)


def install(folder: Path) -> Path:
    """An environment in a folder of environments; its Python."""
    python = make(folder / "env-1" / "bin" / "python")
    details = ("choice", "cpu", "0.1.0", "now")
    make_current(folder, InstalledEnvironment(folder / "env-1", python, "digest", *details))
    return python


def test_installed_environment_comes_after_all_others(zip_install: Path, tmp_path: Path) -> None:
    settings = Settings()
    settings.install_folder = str(tmp_path / "engines")
    python = install(tmp_path / "engines")
    assert find_interpreter(settings, {}, zip_install) == Interpreter(python, zip_install / "engine_src", "installed")
    assert find_interpreter(settings, {}).origin == "checkout"
    chosen = {"MPSCLIP_PYTHON": str(make(tmp_path / "python"))}
    assert find_interpreter(settings, chosen, zip_install).origin == "environment"


def test_environment_in_the_default_folder_is_found(zip_install: Path) -> None:
    python = install(default_folder())
    assert find_interpreter(Settings(), {}, zip_install).python == python
    shutil.rmtree(default_folder())


def test_missing_engine_is_answered_with_how_to_get_it(zip_install: Path) -> None:
    settings = Settings()
    settings.install_folder = str(zip_install / "not allowed")
    with pytest.raises(EngineMissing, match="not installed") as caught:
        find_interpreter(settings, {}, zip_install)
    for way in ("Install engine", "mpsclip:installengine", "Settings ▸ Options ▸ MPS-CLIP"):
        assert way in caught.value.remedy


@pytest.mark.parametrize("name", ["missing", "text", "folder"])
def test_choice_that_is_no_python_is_named(tmp_path: Path, name: str) -> None:
    make(tmp_path / "text", executable=False)
    (tmp_path / "folder").mkdir()
    with pytest.raises(EngineMissing, match=name) as caught:
        find_interpreter(Settings(), {"MPSCLIP_PYTHON": os.fspath(tmp_path / name)})
    assert "MPSCLIP_PYTHON" in caught.value.problem
    assert "virtual environment" in caught.value.remedy
