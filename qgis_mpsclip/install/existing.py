"""Whether an interpreter that a user already has can run the engine, and if not, what it lacks.

The check of imports that is marked here does not apply: only the quoting of Windows command lines is taken from it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess  # nosec B404
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qgis_mpsclip.client.environment import engine_environment
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install import look_around
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.log import InstallLog
from qgis_mpsclip.install.needed import Needed, needed, release
from qgis_mpsclip.install.plan import requirements_folder
from qgis_mpsclip.install.process import Runner

SECONDS = 60.0  # a first start reads from a cold disk, past a virus scanner


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes:
        ok: the engine can be started with it; only its doctor can tell that all of it works.
        version: of Python; "" where it is none.
        missing: names of packages.
        wrong: name, version found, version needed.
        text: all of it for a person, with what mends it.
    """

    ok: bool
    version: str
    missing: list[str] = field(default_factory=list)
    wrong: list[tuple[str, str, str]] = field(default_factory=list)
    text: str = ""


def examine(
    python: Path,
    requirements: Path | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    seconds: float = SECONDS,
) -> Examination:
    """Look at an interpreter, which is run but not changed.

    Args:
        python: executable, or the folder of an environment.
        requirements: folder of the locks; None: the one that came with the plugin.
        is_cancelled: asked ten times a second.
        seconds: it must answer within.

    Raises:
        InstallCancelled: ``is_cancelled`` returned true.
        InstallError: of kind ``locks``: the plugin's own files are missing.
    """
    wanted = needed(requirements or requirements_folder())
    python = _executable(Path(os.path.abspath(python.expanduser())))  # noqa: PTH100 - resolve() would follow links
    said = _ask(python, is_cancelled or (lambda: False), seconds)
    if isinstance(said, str):
        return Examination(False, "", text=said)
    version = str(said["version"])
    unfit = _unfit(python, said, wanted)
    if unfit:
        return Examination(False, version, text=unfit)
    has: dict[str, str] = said["packages"]
    missing = [name for name in wanted.floors if name not in has]
    wrong = [
        (name, has[name], floor)
        for name, floor in wanted.floors.items()
        if name in has and release(has[name]) < release(floor)
    ]
    if missing or wrong:
        return Examination(False, version, missing, wrong, _lacking(python, said, wanted, missing, wrong))
    text = tr("Python {version} has all packages that the engine needs: {python}").format(
        version=version, python=python
    )
    if release(version)[:2] > release(wanted.newest_python):
        text += " " + tr("Newer than Python {version} was not tried.").format(version=wanted.newest_python)
    return Examination(True, version, text=text)


def _executable(path: Path) -> Path:
    if path.is_dir():
        for parts in (("bin", "python"), ("bin", "python3"), ("Scripts", "python.exe"), ("python.exe",)):
            if path.joinpath(*parts).is_file():
                return path.joinpath(*parts)
    return path


def _ask(python: Path, is_cancelled: Callable[[], bool], seconds: float) -> dict[str, Any] | str:
    """What the interpreter says of itself, or why it says nothing."""
    if not python.exists():
        return tr("{python} does not exist.").format(python=python)
    if python.is_dir():
        return tr("{python} is a folder without a Python.").format(python=python)
    # Other programs are not started: some, such as QGIS itself, would open windows.
    if not os.access(python, os.X_OK) or not re.search("python|pypy", python.name, re.IGNORECASE):
        return tr("{python} is no Python, or you may not run it.").format(python=python)
    start = time.monotonic()
    runner = Runner(InstallLog(None), engine_environment(), Path(tempfile.gettempdir()), is_cancelled)
    try:
        done = runner.run([python, "-I", look_around.__file__], seconds=seconds)
    except InstallError as error:
        if error.kind == "cancelled":
            raise
        return str(error)
    line = next((line for line in done.stdout.splitlines() if line.startswith(look_around.MARK)), "")
    if line:
        try:
            said: dict[str, Any] = json.loads(line[len(look_around.MARK) :])
            return said
        except ValueError:
            pass
    if done.output.lstrip().startswith("Unknown option: -I"):
        return tr("{python} is Python 2 or very old. The engine needs Python 3.10 or newer.").format(python=python)
    if time.monotonic() - start >= seconds:
        return tr("{python} did not answer within {seconds} s.").format(python=python, seconds=f"{seconds:g}")
    last = (done.output.strip().splitlines() or [tr("nothing")])[-1]
    return tr("{python} is no Python that works (status {code}). It says: {last}").format(
        python=python, code=done.returncode, last=last
    )


def _unfit(python: Path, said: dict[str, Any], wanted: Needed) -> str:
    """Why this Python can never run the engine, whatever is installed in it; "" where it can."""
    version = str(said["version"])
    if release(version) < release(wanted.oldest_python):
        problem = tr("Python {version} is too old: the engine needs {oldest} or newer.").format(
            version=version, oldest=wanted.oldest_python
        )
    elif said["bits"] != 64:
        problem = tr("This Python has {bits} bit, and PyTorch needs 64.").format(bits=said["bits"])
    elif said["implementation"] != "CPython":
        problem = tr("This is {implementation}, and the packages are made for CPython.").format(
            implementation=said["implementation"]
        )
    else:
        return ""
    return f"{python}: {problem} " + tr("Choose another, or Install engine, which finds or fetches one.")


def _lacking(
    python: Path,
    said: dict[str, Any],
    wanted: Needed,
    missing: list[str],
    wrong: list[tuple[str, str, str]],
) -> str:
    lines = [tr("Python {version} cannot run the engine yet: {python}").format(version=said["version"], python=python)]
    if missing:
        names = [f"{name} ≥ {wanted.floors[name]}" if wanted.floors[name] else name for name in missing]
        lines.append(tr("Missing: {names}").format(names=", ".join(names)))
    if wrong:
        names = [f"{name} {found} → {floor}" for name, found, floor in wrong]
        lines.append(tr("Too old: {names}").format(names=", ".join(names)))
    if said["managed"] or Path(said["prefix"]) in (Path(sys.prefix), Path(sys.base_prefix)):
        lines.append(
            tr(
                "It is the Python of the system or of QGIS: installing into it may break both. Choose Install engine,"
                " which makes an environment of its own."
            )
        )
    else:
        lines.append(tr("The tested versions of all come with this command, which changes what it has:"))
        lines.append(_command(python, said, wanted.lock))
    return "\n".join(lines)


def _command(python: Path, said: dict[str, Any], lock: Path) -> str:
    installer = [str(python), "-m", "pip", "install"]
    if "pip" not in said["packages"]:
        installer = ["uv", "pip", "install", "--python", str(python)]
    words = [*installer, "--require-hashes", "-r", str(lock)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
