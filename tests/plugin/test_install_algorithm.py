"""``mpsclip:installengine`` in ``qgis_process``, without a display, with a copy of the plugin and a small lock."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsProcessingException

from qgis_mpsclip.install.installed import current
from qgis_mpsclip.processing.provider import MpsClipProvider
from tests.plugin.support.index_server import IndexServer, closed_port
from tests.plugin.support.processes import command_lines
from tests.plugin.support.tiny_engine import TinyPlugin, ordinary_settings

PACKAGE = Path(__file__).resolve().parent.parent.parent / "qgis_mpsclip"
FOREIGN = ("DISPLAY", "WAYLAND_DISPLAY", "PYTHON", "QGIS_", "PROJ_", "GDAL_", "MPSCLIP_")
SECONDS = 300


class Machine:
    """A profile with a copy of the plugin that brings a small engine; nothing is installed."""

    def __init__(self, folder: Path, index: IndexServer) -> None:
        package = folder / "profiles" / "default" / "python" / "plugins" / "qgis_mpsclip"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        self.plugin = TinyPlugin(package, index)
        self.plugin.write_locks()
        self.data = folder / "data"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        self.environment = kept | {
            "QGIS_CUSTOM_CONFIG_PATH": str(folder),
            "QT_QPA_PLATFORM": "offscreen",
            "XDG_DATA_HOME": str(self.data),
            "UV_CACHE_DIR": str(folder / "cache"),
        }
        settings = folder / "profiles" / "default" / "QGIS" / "QGIS3.ini"
        settings.parent.mkdir()
        settings.write_text("[PythonPlugins]\nqgis_mpsclip=true\n")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = ["qgis_process", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=self.environment, text=True, **pipes)

    def run(self, algorithm: str, **values: object) -> dict[str, Any]:
        """The results of an algorithm that succeeds."""
        out, _ = self.end(self.begin(algorithm, "--json", **values))
        return json.loads(out)["results"]

    def begin(self, algorithm: str, *options: str, **values: object) -> subprocess.Popen[str]:
        if algorithm == "installengine":
            values.setdefault("PACKAGE_INDEX", self.plugin.index.url)
        return self.start("run", f"mpsclip:{algorithm}", *options, *(f"--{name}={it}" for name, it in values.items()))

    def end(self, process: subprocess.Popen[str], succeeds: bool = True) -> tuple[str, str]:
        out, errors = process.communicate(timeout=SECONDS)
        assert (process.returncode == 0) is succeeds, f"{out}\n{errors}"
        assert "Traceback" not in out + errors
        return out, errors


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    if shutil.which("qgis_process") is None:
        pytest.fail("qgis_process is missing: make setup installs it with QGIS")
    ordinary_settings(monkeypatch, tmp_path / "programs")
    with IndexServer() as index:
        index.add("alpha", "1.0")
        yield Machine(tmp_path / "a user's", index)


def test_a_machine_without_a_display_gets_its_engine(machine: Machine, tmp_path: Path) -> None:
    status = machine.run("enginestatus")
    assert status["READY"] is False
    assert "mpsclip:installengine" in status["MESSAGE"]

    folder, page = tmp_path / "über all", tmp_path / "report.md"
    made = machine.run("installengine", INSTALL_FOLDER=folder, OUTPUT_REPORT=page)
    assert (made["READY"], made["OUTPUT_REPORT"]) == (True, str(page))
    assert Path(made["PYTHON"]).is_file()
    assert Path(made["FOLDER"]).parent == folder
    assert made["MESSAGE"].startswith("The search engine was installed in ")
    assert '"healthy": true' in page.read_text(encoding="utf-8")  # what the small engine prints

    machine.plugin.index.requests.clear()
    machine.plugin.index.wheels.clear()
    machine.plugin.index.add("alpha", "1.1")
    machine.plugin.write_locks()
    ours = (folder / "current.json").read_text()
    newer = {**json.loads(ours), "plugin_version": "99.0"}  # made by the plugin of another profile
    (folder / "current.json").write_text(json.dumps(newer))
    again = machine.run("installengine")  # the folder is remembered
    assert (again["READY"], again["PYTHON"], again["FOLDER"]) == (True, made["PYTHON"], made["FOLDER"])
    assert again["MESSAGE"] == "The search engine is installed and up to date."
    assert machine.plugin.index.requests == []

    (folder / "current.json").write_text(ours)
    updated = machine.run("installengine")
    assert updated["PYTHON"] != made["PYTHON"]
    assert not Path(made["FOLDER"]).exists()


def test_a_failure_is_one_for_scripts_and_is_reported(machine: Machine, tmp_path: Path) -> None:
    machine.plugin.sick()
    page = tmp_path / "report.md"
    _, errors = machine.end(machine.begin("installengine", OUTPUT_REPORT=page), succeeds=False)
    assert "alpha: is ill" in errors
    assert "Rest." in errors
    assert "The whole log: " in errors
    report = page.read_text(encoding="utf-8")
    assert "- Choice: engine-default" in report and "is ill" in report
    assert str(tmp_path) not in report


def test_the_plugins_own_folder_is_refused(provider: MpsClipProvider, qgis_processing: None) -> None:
    from qgis import processing

    values = {"INSTALL_FOLDER": str(PACKAGE / "engines"), "PACKAGE_INDEX": f"http://localhost:{closed_port()}"}
    with pytest.raises(QgsProcessingException, match="the plugin's own folder"):
        processing.run("mpsclip:installengine", values)
    assert not (PACKAGE / "engines").exists()


def test_an_interrupted_run_leaves_no_process_behind(machine: Machine, tmp_path: Path) -> None:
    (machine.plugin.engine_src / "slow").touch()
    process = machine.begin("installengine")
    deadline = time.monotonic() + SECONDS
    while not (machine.plugin.engine_src / "began").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=SECONDS)
    assert "The installation was cancelled." in out
    assert [command for command in command_lines() if command.startswith(str(tmp_path))] == []
    assert current(machine.data / "mpsclip" / "engines") is None
