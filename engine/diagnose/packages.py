"""The packages that the engine cannot do without, and whether they are the lock's."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from pathlib import Path

from engine.diagnose.finding import Seen
from engine.diagnose.profiles import AUTO, ENGINE, LOCKS, PACKAGES, SAMGEO, SAMGEO_PACKAGES, installed_profile
from engine.diagnose.remedies import INSTALL_AGAIN
from engine.errors import EngineError, MissingDependencyError
from engine.resources import project_path


def look_at_package(name: str) -> Seen:
    """Imports a package of :mod:`engine.diagnose.profiles` and compares its version with the lock's.

    Raises:
        MissingDependencyError: it, or something that it needs, is not installed.
        Exception: whatever the import raises.
    """
    module = PACKAGES.get(name) or SAMGEO_PACKAGES[name]
    try:
        _import(module)
    except ModuleNotFoundError as error:
        own = (error.name or "").split(".")[0] == module.split(".")[0]
        problem = "It is not installed." if own else f"It needs {error.name}, which is not installed."
        raise MissingDependencyError(problem, INSTALL_AGAIN) from error
    version = importlib.metadata.version(name)
    locked = locked_versions(ENGINE if name in PACKAGES else SAMGEO).get(canonical(name), set())
    if locked and version.partition("+")[0] not in locked:
        advice = f"It was tested with {' or '.join(sorted(locked))}. If something fails: {INSTALL_AGAIN}"
        return Seen(version, advice)
    return Seen(version)


def look_at_lock(profile: str = ENGINE) -> Seen:
    """Compares all installed packages with the lock of a profile.

    Args:
        profile: ``engine`` or ``samgeo``, whose packages must all be there; ``auto``: the engine's must be, the
            others are compared where the segmenters were installed.

    Raises:
        EngineError: a package that the lock holds for every system is missing.
    """
    of = installed_profile() if profile == AUTO else profile
    locked = locked_versions(of)
    if not locked:
        return Seen("no lock comes with this installation")
    present = {canonical(found.name): found.version for found in importlib.metadata.distributions() if found.name}
    needed = locked_versions(ENGINE) if profile == AUTO else locked
    absent = sorted(locked.keys() - present.keys() - conditional_packages(of))
    missing = [name for name in absent if name in needed]
    if missing:
        raise EngineError(f"Not installed: {', '.join(missing)}.", INSTALL_AGAIN)
    other = [
        f"{name} {present[name]} instead of {' or '.join(sorted(versions))}"
        for name, versions in sorted(locked.items())
        if name in present and present[name].partition("+")[0] not in versions
    ]
    other += [f"{name} is not there" for name in absent]
    count = len(locked.keys() & present.keys())
    whose = f"{count} of the lock's ({of})"
    if other:
        return Seen(f"{whose}; {', '.join(other)}", f"If something fails: {INSTALL_AGAIN}")
    return Seen(f"{whose}, all at its versions")


def locked_versions(profile: str = ENGINE) -> dict[str, set[str]]:
    """Canonical name to version, or versions where the lock has one for each of several systems; empty: no lock."""
    found: dict[str, set[str]] = {}
    for name, version, _ in _entries(profile):
        found.setdefault(name, set()).add(version.partition("+")[0])
    return found


def conditional_packages(profile: str = ENGINE) -> set[str]:
    """Names that the lock holds for some systems or some builds of PyTorch only."""
    return {name for name, _, marker in _entries(profile) if marker}


def canonical(name: str) -> str:
    """The form in which indexes compare names of packages."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _import(module: str) -> None:
    if module.startswith("samgeo."):  # some of its modules install what they miss: not here
        from engine.segment.samgeo.contained import samgeo_module

        samgeo_module(module)
    else:
        importlib.import_module(module)


def _entries(profile: str) -> list[tuple[str, str, str]]:
    """(name, version, marker) of each line of the profile's lock that names a package."""
    lock: Path = project_path("requirements", LOCKS[profile])
    try:
        text = lock.read_text(encoding="utf-8")
    except OSError:
        return []
    lines = re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)[ \t]*(?:;[ \t]*([^\\\n]*))?", text, flags=re.MULTILINE)
    return [(canonical(name), version, marker.strip()) for name, version, marker in lines]
