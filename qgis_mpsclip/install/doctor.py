"""The engine's check of itself, ``python -m engine doctor``, run as a process of its own: it also finds what keeps the
engine from answering.

The checks of child processes that are marked here do not apply: no shell is involved, and the program is the
interpreter that runs the engine anyway.
"""

from __future__ import annotations

import subprocess  # nosec B404
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qgis_mpsclip.client.interpreter import Interpreter, find_interpreter
from qgis_mpsclip.client.launch import engine_variables, not_started
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallCancelled, InstallError
from qgis_mpsclip.settings import Settings

SECONDS = 600
_POLL_SECONDS = 0.2
_SHORT = ("devices", "default model", "index folder", "torch")
_LAST_LINES = 8


def run_doctor(settings: Settings, is_cancelled: Callable[[], bool]) -> str:
    """The check's page of Markdown to paste into an issue; a check that finds something wrong is no failure.

    Raises:
        EngineMissing: nothing runs the engine.
        EngineCrashed: its Python cannot be started.
        InstallCancelled: ``is_cancelled`` returned true.
        InstallError: it printed nothing, or did not end in time.
    """
    interpreter = find_interpreter(settings)
    variables = engine_variables()
    if settings.cache_folder:
        variables["MPSCLIP_CACHE"] = settings.cache_folder
    process = _start(interpreter, variables)
    waited = 0.0
    while True:
        try:
            out, said = process.communicate(timeout=_POLL_SECONDS)
            break
        except subprocess.TimeoutExpired:
            waited += _POLL_SECONDS
            if is_cancelled() or waited > SECONDS:
                process.kill()
                process.communicate()
                raise InstallCancelled() if waited <= SECONDS else _silent() from None
    if not out.strip():
        lines = said.strip().splitlines()[-_LAST_LINES:]
        raise InstallError("\n".join([tr("The check of the search engine ended without a report."), *lines]))
    return out


def findings_text(findings: Iterable[Mapping[str, Any]]) -> str:
    """What a user wants to know of the findings, one a line: what is computed on and with, and what is wrong."""
    good, bad = [], []
    for finding in findings:
        line = f"{finding.get('check')}: {finding.get('detail')}"
        if not finding.get("ok"):
            bad.append(" ".join(part for part in (line, str(finding.get("remedy") or "")) if part))
        elif finding.get("check") in _SHORT:
            good.append(line)
    return "\n".join([*good, *bad])


def _start(interpreter: Interpreter, variables: dict[str, str]) -> subprocess.Popen[str]:
    isolation = "-I" if interpreter.cwd is None else "-s"
    try:
        return subprocess.Popen(  # nosec B603
            [str(interpreter.python), isolation, "-X", "utf8", "-m", "engine", "doctor", "--markdown"],
            cwd=interpreter.cwd,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise not_started(interpreter, error.strerror or str(error)) from error


def _silent() -> InstallError:
    return InstallError(
        tr("The check of the search engine did not end within {seconds} s.").format(seconds=SECONDS),
        tr("Try again when the machine has less to do."),
        "timeout",
    )
