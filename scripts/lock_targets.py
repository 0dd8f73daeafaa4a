"""Which files the locks lead to on each platform and Python; uv finds them without installing anything.

An installer that cannot get a wheel for its platform would have to build one, which takes a compiler that users do not
have. So each lock leads to wheels alone, but for ``SOURCE_ONLY``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lock_files import REQUIREMENTS, ROOT, entries

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
# On PyPI as source only. Nothing of an engine without extras may stand here.
SOURCE_ONLY = {
    "groundingdino-py": "extra langsam; no compiler needed, requirements/build.txt holds what builds it",
}
# The oldest macOS that the locks are kept to; uv takes it from this variable.
MACOS = "14.0"
TARGETS = {
    ("linux", "x86_64"): "x86_64-unknown-linux-gnu",
    ("linux", "aarch64"): "aarch64-unknown-linux-gnu",
    ("darwin", "arm64"): "aarch64-apple-darwin",
    ("win32", "AMD64"): "x86_64-pc-windows-msvc",
}
AT_ONCE = 4
# How uv names the package: ``pyproj{python_full_version < '3.11'}==3.7.1 has no usable wheels``.
NO_WHEEL = re.compile(r"([\w.-]+?)(?:\{[^}]*\})?==([\w.+!-]+) has no (?:usable )?wheels")


class LockError(Exception):
    """A lock is wrong; the text says which, where, and what to do."""


@dataclass(frozen=True)
class Target:
    """One kind of machine, as Python names it (sys.platform, platform.machine()), with one version of Python."""

    platform: str
    machine: str
    python: str

    def __str__(self) -> str:
        return f"{self.platform} {self.machine}, Python {self.python}"


@dataclass(frozen=True)
class Wheel:
    """A file that an installer takes for a target; size in bytes where the index states one."""

    name: str
    version: str
    file: str
    size: int | None
    sha256: str


def targets() -> list[Target]:
    return [Target(platform, machine, python) for platform, machine in TARGETS for python in PYTHONS]


def wheels(uv: Path, lock: Path, target: Target) -> list[Wheel]:
    """The wheels that a lock leads to on a target, one for each package, sorted by name. Nothing is downloaded.

    Raises:
        LockError: a package has no wheel there, a wheel's hash is not the lock's, or the index cannot be asked.
    """
    known = dict.fromkeys(SOURCE_ONLY, "")
    for name, entry in entries(lock):
        known[name] = known.get(name, "") + entry
    with tempfile.TemporaryDirectory() as folder:
        wheels_only = Path(folder) / lock.name
        wheels_only.write_text("".join(entry for name, entry in known.items() if name not in SOURCE_ONLY))
        found = pylock(uv, wheels_only, target, lock.name)
    chosen = [best_wheel(package) for package in found]
    for wheel in chosen:
        if wheel.sha256 not in known.get(wheel.name, ""):
            raise LockError(f"{lock.name}: {wheel.file} of {wheel.name} is not among the lock's hashes.")
    return sorted(chosen, key=lambda wheel: wheel.name)


def pylock(uv: Path, requirements: Path, target: Target, lock: str) -> list[dict[str, Any]]:
    """uv's resolution of requirements for a target, with wheels alone: the packages of a pylock.toml."""
    command = [str(uv), "pip", "compile", str(requirements), "--no-deps", "--only-binary", ":all:", "--no-header"]
    command += ["--python-platform", TARGETS[target.platform, target.machine], "--python-version", target.python]
    # One version for the target alone, by whatever Python there is; that Python builds nothing.
    command += ["--format", "pylock.toml", "--python", sys.executable, "--no-python-downloads", "--no-progress"]
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": MACOS}
    done = subprocess.run(command, env=environment, cwd=requirements.parent, capture_output=True, encoding="utf-8")
    if done.returncode:
        missing = sorted(set(NO_WHEEL.findall(done.stderr)))
        if missing:
            names = ", ".join(f"{name} {version}" for name, version in missing)
            raise LockError(f"{lock}, {target}: no wheel of {names}.")
        raise LockError(f"{lock}, {target}: uv cannot resolve it.\n{done.stderr.strip()}")
    packages: list[dict[str, Any]] = tomllib.loads(done.stdout).get("packages", [])
    return packages


def best_wheel(package: dict[str, Any]) -> Wheel:
    """The wheel that an installer takes; of several that fit, the one for the newest macOS."""

    def system(wheel: dict[str, Any]) -> tuple[int, ...]:
        return max((tuple(map(int, found)) for found in re.findall(r"macosx_(\d+)_(\d+)", wheel["url"])), default=())

    wheel = max(package["wheels"], key=system)
    file = wheel["url"].rsplit("/", 1)[-1]
    return Wheel(package["name"], package["version"], file, wheel.get("size"), wheel["hashes"]["sha256"])


def all_wheels(uv: Path, lock: Path) -> dict[Target, list[Wheel] | LockError]:
    """``wheels`` of every target, a few at once; what is wrong with a target stands in its wheels' place."""

    def of_one(target: Target) -> list[Wheel] | LockError:
        try:
            return wheels(uv, lock, target)
        except LockError as error:
            return error

    every = targets()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(every, pool.map(of_one, every), strict=True))


def inputs_digest() -> str:
    """A digest of all that the locks are made from: what pyproject.toml asks for, and requirements/*.in."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked: list[Any] = [
        project["project"].get(key) for key in ("requires-python", "dependencies", "optional-dependencies")
    ]
    asked.append(project.get("dependency-groups"))
    asked += [(path.name, path.read_text(encoding="utf-8")) for path in sorted(REQUIREMENTS.glob("*.in"))]
    return "sha256:" + hashlib.sha256(json.dumps(asked).encode()).hexdigest()
