"""The locks that come with the plugin, as ``requirements/locks.json`` describes them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallError

FORMAT = 1
FILE = "locks.json"
TORCH = ("torch", "torchvision")
# What only a CUDA build of PyTorch needs; with another build these are left out of the main lock.
_CUDA_ONLY = re.compile(r"^(nvidia-.*|cuda-.*|triton.*)$")


@dataclass(frozen=True)
class Lock:
    """One shipped lock.

    Attributes:
        id: name of the choice, kept with an environment that was made from it.
        profile: what it holds: ``engine``, or ``samgeo`` with the segmenters too.
        file: all packages with their hashes.
        torch_file: another build of PyTorch, which goes in first; None: the one in ``file``.
        torch_backend: uv's name of the index of that build.
        accelerators: what PyTorch's build runs on, by ``sys.platform``; a platform that is not here is not covered.
        machines: architectures that are covered, by ``sys.platform``.
        download_bytes, installed_bytes: sizes by ``sys.platform``; a platform is missing where they are not known.
        cuda: the CUDA that comes with PyTorch's build, as its first number: an NVIDIA driver runs all of its own
            first number and of lower ones. 0: none, or not known.
    """

    id: str
    profile: str
    file: Path
    torch_file: Path | None
    torch_backend: str | None
    accelerators: dict[str, str]
    machines: dict[str, list[str]]
    download_bytes: dict[str, int]
    installed_bytes: dict[str, int]
    cuda: int = 0


@dataclass(frozen=True)
class Locks:
    """All shipped locks.

    Attributes:
        python: versions they hold for, such as ``3.12``.
        macos: oldest macOS that they hold for, such as ``14.0``; empty: any.
        build: lock of what building and installing need; uv is in it.
    """

    python: tuple[str, ...]
    macos: str
    build: Path
    locks: tuple[Lock, ...]


def read_locks(requirements: Path) -> Locks:
    """Reads ``locks.json`` of the folder of locks.

    Raises:
        InstallError: of kind ``locks``: it is missing, of another format, or names a file that is missing.
    """
    file = requirements / FILE
    try:
        described = json.loads(file.read_text(encoding="utf-8"))
        if described["format"] != FORMAT:
            raise ValueError(f"format {described['format']}")
        locks = Locks(
            tuple(str(version) for version in described["python"]),
            str(described.get("macos") or ""),
            _present(requirements / described["build"]),
            tuple(_lock(requirements, entry) for entry in described["locks"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InstallError(
            tr("{file} cannot be read: {reason}").format(file=file, reason=f"{type(error).__name__}: {error}"),
            tr("Install the plugin again."),
            "locks",
        ) from error
    return locks


def digest(lock: Path, torch_lock: Path | None = None) -> str:
    """What an environment is made from, as a hexadecimal SHA-256.

    Raises:
        InstallError: of kind ``locks``: a file cannot be read.
    """
    made_from = hashlib.sha256()
    try:
        for file in (lock, torch_lock):
            content = file.read_bytes() if file is not None else b""
            made_from.update(len(content).to_bytes(8, "big") + content)
    except OSError as error:
        raise InstallError(
            tr("{file} cannot be read: {reason}").format(file=error.filename, reason=error.strerror),
            tr("Install the plugin again."),
            "locks",
        ) from error
    return made_from.hexdigest()


def entries(lock: Path) -> Iterator[tuple[str, str]]:
    """Name and text (markers and hashes included) of each requirement of a lock."""
    text = re.sub(r"^ *#.*\n", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        yield re.split(r"[=<>@ \[;]", entry, maxsplit=1)[0].lower(), entry.rstrip() + "\n"


def hashes(lock: Path, name: str) -> tuple[str, frozenset[str]]:
    """Version and hexadecimal SHA-256 of all files of a package that the lock holds once; empty where it does not."""
    found = [entry for package, entry in entries(lock) if package == name]
    version = re.search(r"==([^\s;\\]+)", found[0]) if len(found) == 1 else None
    if version is None:
        return "", frozenset()
    return version.group(1), frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", found[0]))


def without_torch(lock: Path) -> str:
    """The text of a lock less PyTorch and what only its CUDA build needs."""
    return "".join(entry for _, entry in _entries_without_torch(lock))


def locked_packages(lock: Path, torch_lock: Path | None = None) -> set[tuple[str, str]]:
    """Normalised name and version of each package that is installed from these locks, on whatever platform."""
    found = entries(lock) if torch_lock is None else [*_entries_without_torch(lock), *entries(torch_lock)]
    versions = ((name, re.search(r"==([^\s;\\]+)", entry)) for name, entry in found)
    return {(re.sub("[-_.]+", "-", name), version.group(1)) for name, version in versions if version}


def _entries_without_torch(lock: Path) -> Iterator[tuple[str, str]]:
    return ((name, entry) for name, entry in entries(lock) if name not in TORCH and not _CUDA_ONLY.match(name))


def _lock(requirements: Path, entry: dict[str, Any]) -> Lock:
    torch_file = entry.get("torch_file")
    return Lock(
        str(entry["id"]),
        str(entry["profile"]),
        _present(requirements / entry["file"]),
        _present(requirements / torch_file) if torch_file else None,
        entry.get("torch_backend") or None,
        dict(entry["accelerators"]),
        {name: list(machines) for name, machines in entry["machines"].items()},
        _known(entry["download_bytes"]),
        _known(entry["installed_bytes"]),
        _cuda(requirements / entry["file"], entry.get("torch_backend") or ""),
    )


def _known(sizes: dict[str, int | None]) -> dict[str, int]:
    return {name: int(count) for name, count in sizes.items() if count is not None}


def _cuda(lock: Path, torch_backend: str) -> int:
    """From the name of the build (``cu128``), else from the CUDA runtime in the lock; a CPU build has none."""
    if torch_backend:
        found = re.fullmatch(r"cu(\d+)\d", torch_backend)
        return int(found.group(1)) if found else 0
    runtimes = (re.search(r"==(\d+)", entry) for name, entry in entries(lock) if name == "nvidia-cuda-runtime")
    return max((int(runtime.group(1)) for runtime in runtimes if runtime), default=0)


def _present(file: Path) -> Path:
    if not file.is_file():
        raise FileNotFoundError(file.name)
    return file
