"""The Python that the environment is based on: one that uv finds on this machine, else one that it downloads.

Never the Python of a QGIS that has one for itself, as on Windows and macOS: the environment would end with the next
update of QGIS, whose folder it is in, and load its libraries (OpenSSL, SQLite, the C++ runtime) until then.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.process import Finished, Runner

_PREFERRED = ("3.12", "3.11", "3.13", "3.10")
_SYSTEM_ROOTS = ("/", "/usr", "/usr/local")
_LOOK = (
    "import json, platform, struct, sys, sysconfig;"
    "print(json.dumps([platform.python_implementation(), '%d.%d' % sys.version_info[:2], 8 * struct.calcsize('P'),"
    " bool(sysconfig.get_config_var('Py_GIL_DISABLED')), sys.base_prefix]))"
)
_LOOK_SECONDS = 60
_FIND = ("--no-project", "--no-python-downloads")
PYTHON_FOLDER = "python"


@dataclass(frozen=True)
class BasePython:
    """What a Python says of itself."""

    implementation: str
    version: str
    bits: int
    free_threaded: bool
    base_prefix: str


def python_variables(folder: Path) -> dict[str, str]:
    """Variables that keep the Pythons that uv downloads within the folder of environments, and out of all lists."""
    own = folder / PYTHON_FOLDER
    return {
        "UV_PYTHON_INSTALL_DIR": str(own),
        "UV_PYTHON_BIN_DIR": str(own / "bin"),  # else links to it would go into the user's own folder of programs
        "UV_PYTHON_INSTALL_BIN": "0",
        "UV_PYTHON_INSTALL_REGISTRY": "0",
    }


def check_python(python: Path, versions: Sequence[str], runner: Runner) -> Path:
    """The Python that the user chose.

    Raises:
        InstallError: of kind ``python``: it is none, or not one that the locks hold for.
    """
    said = _ask(python, runner) if python.is_file() else None
    if said is None:
        problem = tr("{python} is no Python that runs.").format(python=python)
    else:
        unfit = _unfit(said, versions)
        if unfit is None:
            return python
        problem = f"{python}: {unfit}"
    raise InstallError(
        problem,
        tr("Choose a 64-bit CPython {versions}, or none: then one is found or downloaded.").format(
            versions=", ".join(versions)
        ),
        "python",
    )


def find_python(uv: Path, versions: Sequence[str], runner: Runner, own_prefix: str | None = None) -> Path | None:
    """A Python of this machine that suits; None: there is none.

    Args:
        versions: that the locks hold for.
        own_prefix: base prefix of QGIS's own Python; None: of this process.
    """
    own = Path(sys.base_prefix if own_prefix is None else own_prefix)
    for version in preferred(versions):
        found = runner.run([uv, "python", "find", "--system", *_FIND, f"cpython@{version}"])
        python = Path(found.stdout.strip())
        if found.returncode or not python.is_file():
            continue
        said = _ask(python, runner)
        if said is None or _unfit(said, versions) is not None:
            continue
        if Path(said.base_prefix) == own and os.fspath(own) not in _SYSTEM_ROOTS:
            runner.log.write(f"{python} is QGIS's own")
            continue
        return python
    return None


def download_python(
    uv: Path,
    versions: Sequence[str],
    runner: Runner,
    on_line: Callable[[str], None],
    fail: Callable[[Finished], InstallError],
) -> Path:
    """A Python that uv downloads into the folder of environments.

    Args:
        on_line: gets uv's output.
        fail: makes the error of a command that failed.

    Raises:
        InstallError: it cannot be downloaded.
    """
    version = preferred(versions)[0]
    done = runner.run([uv, "python", "install", version], on_line)
    if done.returncode:
        raise fail(done)
    found = runner.run([uv, "python", "find", "--managed-python", *_FIND, f"cpython@{version}"])
    if found.returncode:
        raise fail(found)
    return Path(found.stdout.strip())


def preferred(versions: Sequence[str]) -> list[str]:
    """The locks' versions, those with the most wheels of other packages first."""
    return [version for version in _PREFERRED if version in versions] + [
        version for version in versions if version not in _PREFERRED
    ]


def _ask(python: Path, runner: Runner) -> BasePython | None:
    try:
        said = runner.run([python, "-I", "-c", _LOOK], seconds=_LOOK_SECONDS)
        return BasePython(*json.loads(said.stdout.strip().splitlines()[-1])) if said.returncode == 0 else None
    except (ValueError, TypeError, IndexError):
        return None


def _unfit(said: BasePython, versions: Sequence[str]) -> str | None:
    """Why a Python does not suit, in words; None: it does."""
    if said.implementation != "CPython" or said.free_threaded:
        return tr("it is not the usual CPython.")
    if said.bits != 64:
        return tr("it is a 32-bit Python.")
    if said.version not in versions:
        return tr("it is Python {version}.").format(version=said.version)
    return None
