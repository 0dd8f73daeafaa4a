"""A report on plugin, QGIS and engine, to be pasted into an issue: no names of people, no secrets of paths."""

from __future__ import annotations

import getpass
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from osgeo import gdal
from qgis.core import Qgis
from qgis.PyQt.QtCore import PYQT_VERSION_STR, QT_VERSION_STR

from qgis_mpsclip.client.interpreter import find_interpreter
from qgis_mpsclip.client.log_files import last_lines, log_folder
from qgis_mpsclip.errors import EngineMissing
from qgis_mpsclip.install.state import engine_state
from qgis_mpsclip.settings import Settings
from qgis_mpsclip.sizes import size_text
from qgis_mpsclip.version import plugin_version

_LOG_LINES = 30
_INSTALL_LOG_LINES = 60
# An address names servers within a company, and may hold a login.
_ADDRESS = re.compile(r"(?i)\b(?!file:)([a-z][a-z0-9+.-]*://)([^\s…]\S*)")
_HOST = re.compile(r"(?:.*@)?([\w-]+(?:\.[\w-]+)+)")
_FILE_ADDRESS = re.compile(r"(?i)\bfile:/+\S*/")
_TOKEN = re.compile(r"(?i)\b(bearer|token|api[-_]?key|password|secret)(\s*[:=]\s*|\s+)\S+")
# The folders of a path say whose work it is; the name of the file is enough to understand a message. Names may have
# spaces: within quotes up to the last separator, elsewhere as long as another follows on the line.
_QUOTED_FOLDERS = re.compile(r"([\"'`])(?:[A-Za-z]:)?[/\\](?:(?!\1)[^\r\n])*[/\\]")
_START, _IN_NAME = r"(?<![\w./~<…])(?!(?<=:)//)(?:[A-Za-z]:)?[/\\]+", r"[^/\\:*?\"'`|\r\n…]"
_FOLDER = rf"(?!\s){_IN_NAME}+(?<!\s)[/\\]+"
_FOLDERS = re.compile(rf"{_START}(?:{_FOLDER})+")


def redact(text: str) -> str:
    """``text`` without the user's name, home folder and credentials, addresses, and the folders of absolute paths."""
    # Messages name a server by itself too.
    hosts = {found[1] for _, address in _ADDRESS.findall(text) if (found := _HOST.match(address))}
    text = _ADDRESS.sub(r"\1…", text)
    for host in sorted(hosts, key=len, reverse=True):
        text = re.sub(rf"(?i)(?<![\w.-]){re.escape(host)}(?![\w-])", "<host>", text)
    text = _TOKEN.sub(r"\1 …", text)
    home = str(Path.home())
    if len(home) > 1:
        for spelled in (home.replace("\\", "\\\\"), home, home.replace("\\", "/")):
            text = text.replace(spelled, "~")
    text = _FILE_ADDRESS.sub("file:…/", text)
    text = _QUOTED_FOLDERS.sub(r"\1…/", text)
    text = _FOLDERS.sub("…/", text)
    name = _user_name()
    if len(name) > 2:
        text = re.sub(rf"(?i)(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])", "<user>", text)
    return text


def report(settings: Settings, status: Mapping[str, Any] | None, problem: str = "", check: str = "") -> str:
    """The report as Markdown.

    Args:
        status: the engine's answer to ``status``; None where there is none.
        problem: why there is none; empty where it is still awaited.
        check: what the engine's check of itself printed, as Markdown; empty where it was not run.
    """
    packages = [(name, version) for name, version in sorted((status or {}).get("packages", {}).items())]
    sections = [
        ("Plugin", _plugin(settings)),
        ("Engine", _engine(status, problem)),
        ("Installation", _installation(settings)),
        ("Packages", [] if check else packages),
        ("Settings", _settings(settings)),
    ]
    extra = check.strip()
    return markdown(sections, _log(), f"{extra}\n" if extra else "")


def install_report(settings: Settings, problem: str, facts: Sequence[tuple[str, str]], log: Path | None) -> str:
    """The report of an installation that failed, as Markdown.

    Args:
        problem: problem and remedy as the user was told.
        facts: what was to be installed.
        log: all that the installation said.
    """
    sections = [
        ("Installation", [("State", problem), *facts, *_installation(settings)]),
        ("Plugin", _plugin(settings)),
        ("Settings", _settings(settings)),
    ]
    return markdown(sections, last_lines(log, _INSTALL_LOG_LINES))


def markdown(sections: Sequence[tuple[str, Sequence[tuple[str, str]]]], log: str, extra: str = "") -> str:
    """A page of lists, without the user's name, the folders of paths and secrets.

    Args:
        extra: Markdown that goes before the log.
    """
    lines = []
    for title, rows in sections:
        if rows:
            lines += [f"### {title}", *(f"- {name}: {value}" for name, value in rows), ""]
    text = "\n".join(lines) + (f"\n{extra}" if extra else "")
    return redact(f"{text}\n### Log\n```\n{log}\n```\n" if log else text)


def _plugin(settings: Settings) -> list[tuple[str, str]]:
    try:
        found = find_interpreter(settings)
        interpreter = f"{found.python} ({found.origin})"
    except EngineMissing as error:
        interpreter = str(error)
    return [
        ("MPS-CLIP Search", plugin_version()),
        ("QGIS", f"{Qgis.version()} ({Qgis.devVersion()})"),
        ("Qt, PyQt", f"{QT_VERSION_STR}, {PYQT_VERSION_STR}"),
        ("Python of QGIS", platform.python_version()),
        ("GDAL of QGIS", str(gdal.VersionInfo("RELEASE_NAME"))),
        ("System", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("Python of the engine", interpreter),
    ]


def _engine(status: Mapping[str, Any] | None, problem: str) -> list[tuple[str, str]]:
    if status is None:
        return [("State", problem.splitlines()[0] if problem else "no answer yet")]
    devices = ", ".join(f"{device.get('id')} ({device.get('name')})" for device in status.get("devices", []))
    segmenters = ", ".join(
        f"{segmenter.get('id')} {'ready' if segmenter.get('ready') else 'not ready'}"
        for segmenter in status.get("segmenters", [])
    )
    rows = [
        ("Version", status.get("engine")),
        ("Python", status.get("python")),
        ("Devices", devices),
        ("Default device", status.get("device")),
        ("Default model", status.get("default_model")),
        ("Loaded models", ", ".join(status.get("loaded", [])) or "none"),
        ("Segmenters", segmenters),
        ("Indexes", f"{size_text(status.get('cache_bytes'))}, {size_text(status.get('free_bytes'))} free"),
    ]
    return [(name, str(value)) for name, value in rows]


def _installation(settings: Settings) -> list[tuple[str, str]]:
    """What is installed, whether it is used or not."""
    state = engine_state(settings)
    environment = state.environment
    if environment is None:
        return [("Installed", "nothing")]
    outdated = ", outdated" if state.is_outdated else ""
    return [
        ("Installed", f"{environment.choice_id}{outdated}"),
        ("By plugin", str(environment.plugin_version)),
        ("On", str(environment.created)),
        ("In use", "yes" if state.is_used else "no"),
    ]


def _settings(settings: Settings) -> list[tuple[str, str]]:
    """Which settings are not at their defaults; of those that name places or services only that they are set."""
    plain = ("default_model", "device", "idle_minutes", "log_level", "render_limit_pixels")
    private = (
        "engine_python",
        "install_folder",
        "wheels_folder",
        "package_index",
        "torch_index",
        "cache_folder",
        "results_folder",
        "llm_url",
        "llm_model",
        "llm_authcfg",
    )
    rows = [(name, str(getattr(settings, name) or "default")) for name in plain]
    return rows + [(name, "set" if getattr(settings, name) else "not set") for name in private]


def _log() -> str:
    try:
        files = sorted(log_folder().glob("engine-*.log"), key=lambda file: file.stat().st_mtime)
    except OSError:
        return ""
    return last_lines(files[-1], _LOG_LINES) if files else ""


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user in this container, or none of the variables on Windows
        return ""
