"""A QGIS profile of the checkout's own with the plugin in it, and a screen for QGIS. Standard library only."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = "qgis_mpsclip"
# A start without questions and without looking for news or updates.
QUIET_START = {
    "PythonPlugins": {PLUGIN: "true"},
    "migration": {"firstRunVersionFlag": "30000", "fileVersion": "2"},
    "qgis": {"checkVersion": "false"},
    "app": {"plugin_installer\\checkOnStart": "false"},
}
# Variables of a Python environment in use, or of another GDAL, which QGIS must not inherit.
FOREIGN = ("PYTHON", "VIRTUAL_ENV", "PROJ_", "GDAL_", "QT_PLUGIN_PATH")


def qgis_program() -> str:
    """The path of QGIS; ends the program with what to do where there is none."""
    program = shutil.which("qgis")
    if program is None:
        print("QGIS is not on PATH. Install QGIS 3.40 or newer: python3 scripts/setup_qgis.py", file=sys.stderr)
        raise SystemExit(1)
    return program


def qgis_environment(**added: str) -> dict[str, str]:
    """This process's environment variables without those that lead QGIS to another Python, PROJ or GDAL."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    # QGIS takes the first python3 on PATH for its own and, where that is another, has no PyQGIS.
    kept["PATH"] = os.pathsep.join([str(Path(qgis_program()).parent), kept.get("PATH", "")])
    return kept | added


def make_profile(folder: Path, settings: Mapping[str, Mapping[str, str]] | None = None) -> list[str]:
    """Writes the profile, unless it is there, and links the checkout's plugin into it.

    Args:
        folder: what QGIS calls the path of profiles.
        settings: section to key to value of settings to begin with.

    Returns:
        Arguments that make QGIS use it.
    """
    profile = folder / "profiles" / "default"
    plugins = profile / "python" / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    link = plugins / PLUGIN
    if not link.exists():
        link.unlink(missing_ok=True)  # a link to a checkout that was moved
        link.symlink_to(ROOT / PLUGIN, target_is_directory=True)
    for name in ("QGIS3.ini", "QGIS4.ini"):
        file = profile / "QGIS" / name
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            write_settings(file, settings or {})
    return ["--profiles-path", str(folder), "--profile", "default", "--nologo"]


def write_settings(file: Path, settings: Mapping[str, Mapping[str, str]]) -> None:
    ini = configparser.RawConfigParser()
    ini.optionxform = str  # type: ignore[assignment, method-assign]  # QGIS's keys have capitals
    ini.read_dict({name: dict(values) for name, values in QUIET_START.items()})
    for name, values in settings.items():
        if not ini.has_section(name):
            ini.add_section(name)
        for key, value in values.items():
            ini.set(name, key, value)
    with file.open("w", encoding="utf-8") as stream:
        ini.write(stream, space_around_delimiters=False)


@contextmanager
def screen(width: int = 1600, height: int = 1000) -> Iterator[str]:
    """A screen in memory (Xvfb) and the value of DISPLAY for it: QGIS's windows refuse Qt's offscreen platform."""
    if shutil.which("Xvfb") is None:
        print("Xvfb is not installed (Debian, Ubuntu: apt-get install xvfb).", file=sys.stderr)
        raise SystemExit(1)
    reader, writer = os.pipe()
    size = f"{width}x{height}x24"
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", size, "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        with os.fdopen(reader) as answer:
            yield f":{answer.readline().strip()}"
    finally:
        server.terminate()
        server.wait()
