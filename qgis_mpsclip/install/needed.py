"""What the engine needs of a Python: packages with their oldest versions, as the plugin's own files say."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.locks import FILE, entries

LOCK = "engine.txt"
_DIRECT = re.compile(r"^    # +(?:via )?mpsclip\b", re.MULTILINE)
_REQUIREMENT = re.compile(r'^\s*"(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?>=(?P<floor>[0-9.]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Needed:
    """What the engine needs.

    Attributes:
        floors: oldest version by normalised name; "" where any will do.
        oldest_python, newest_python: versions such as ``3.10`` that the locks hold for.
        lock: all packages, tested together, with their hashes.
    """

    floors: dict[str, str]
    oldest_python: str
    newest_python: str
    lock: Path


def needed(requirements: Path) -> Needed:
    """What the engine's direct dependencies are, from the folder of locks.

    Their oldest versions are the project file's where that lies beside the folder (a checkout), else the description's
    of the locks, else the major version that is locked.

    Raises:
        InstallError: of kind ``locks``: a file is missing or not understood.
    """
    lock = requirements / LOCK
    try:
        described = json.loads((requirements / FILE).read_text(encoding="utf-8"))
        pythons = [str(version) for version in described["python"]]
        floors = _floors_of_lock(lock)
        stated = described.get("floors") or {}
        project = requirements.parent / "pyproject.toml"
        if project.is_file():
            stated = _floors_of_project(project.read_text(encoding="utf-8"))
        floors.update({name: str(floor) for name, floor in stated.items() if name in floors})
        return Needed(floors, min(pythons, key=release), max(pythons, key=release), lock)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InstallError(
            tr("The list of what the engine needs cannot be read in {folder}: {reason}").format(
                folder=requirements, reason=f"{type(error).__name__}: {error}"
            ),
            tr("Install the plugin again."),
            "locks",
        ) from error


def release(version: str) -> tuple[int, ...]:
    """``2.15.0rc1+cpu`` → (2, 15, 0): what comparing with a floor needs."""
    found = re.match(r"(?:\d+!)?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def normalised(name: str) -> str:
    """A package's name as all tools compare it."""
    return re.sub("[-_.]+", "-", name).lower()


def _floors_of_lock(lock: Path) -> dict[str, str]:
    """Direct dependencies, each with the oldest major version that is locked for any Python."""
    text = lock.read_text(encoding="utf-8")
    direct = {
        normalised(re.split(r"[=<>@ \[;]", entry, maxsplit=1)[0])
        for entry in re.split(r"\n(?=[A-Za-z0-9])", text)
        if _DIRECT.search(entry)
    }
    floors: dict[str, str] = {}
    for name, entry in entries(lock):
        version = re.search(r"==([^\s;\\]+)", entry)
        if normalised(name) in direct and version:
            major = str(release(version[1])[0])
            floors[normalised(name)] = min(floors.get(normalised(name), major), major, key=int)
    return floors


def _floors_of_project(text: str) -> dict[str, str]:
    runtime = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    if runtime is None:
        raise ValueError("pyproject.toml has no dependencies")
    return {normalised(found["name"]): found["floor"] for found in _REQUIREMENT.finditer(runtime[1])}
