"""What uv is asked to install: which lock, from which index, with which settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qgis_mpsclip.install.locks import without_torch
from qgis_mpsclip.install.package_index import only_index
from qgis_mpsclip.install.plan import InstallOptions

_TORCH, _MAIN, _BUILD = "torch.txt", "requirements.txt", "build.txt"


@dataclass(frozen=True)
class Request:
    """One run of ``uv pip install``, within the environment's folder.

    Attributes:
        arguments: after those that name the environment; files by their names, since uv before 0.10 splits paths at
            spaces.
        environ: of uv. It may hold a password: never logged.
    """

    arguments: list[str]
    environ: dict[str, str]


def torch_request(options: InstallOptions, environ: Mapping[str, str], environment: Path) -> Request:
    """Another build of PyTorch, and nothing else, from an index that is asked for nothing else."""
    lock = options.choice.torch_lock
    if lock is None:
        raise ValueError("the choice has no lock of PyTorch")
    (environment / _TORCH).write_bytes(lock.read_bytes())
    if options.wheels is not None:
        return Request([*_offline(options.wheels), *_locked(_TORCH)], only_index(environ, ""))
    if options.torch_index:
        return Request(_locked(_TORCH), only_index(environ, options.torch_index))
    return Request(["--torch-backend", str(options.choice.torch_backend), *_locked(_TORCH)], only_index(environ, ""))


def packages_request(options: InstallOptions, environ: Mapping[str, str], environment: Path, build: Path) -> Request:
    """The main lock, less PyTorch where another build of it has a lock of its own.

    Args:
        build: lock of what builds packages that have no wheel.
    """
    choice = options.choice
    text = choice.lock.read_text(encoding="utf-8") if choice.torch_lock is None else without_torch(choice.lock)
    (environment / _MAIN).write_text(text, encoding="utf-8")
    (environment / _BUILD).write_bytes(build.read_bytes())
    arguments = ["--build-constraints", _BUILD, *_locked(_MAIN)]
    if options.wheels is not None:
        return Request([*_offline(options.wheels), *arguments], only_index(environ, ""))
    return Request(arguments, only_index(environ, options.index_url) if options.index_url else dict(environ))


def _locked(lock: str) -> list[str]:
    """One index answers for a package, whatever the user's settings say, and each file has the lock's hash."""
    return ["--no-deps", "--require-hashes", "--index-strategy", "first-index", "--requirements", lock]


def _offline(wheels: Path) -> list[str]:
    return ["--offline", "--no-index", "--find-links", wheels.absolute().as_uri()]  # uv splits paths at commas
