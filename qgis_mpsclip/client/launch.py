"""How the engine is started, and what is said when it ends by itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from qgis_mpsclip.client.authorities import authority_variables
from qgis_mpsclip.client.environment import engine_environment
from qgis_mpsclip.client.interpreter import Interpreter
from qgis_mpsclip.client.log_files import last_lines
from qgis_mpsclip.client.proxy import proxy_variables
from qgis_mpsclip.errors import EngineCrashed
from qgis_mpsclip.i18n import tr


def engine_arguments(interpreter: Interpreter) -> list[str]:
    """Arguments of the interpreter that make it serve; run it in ``interpreter.cwd``.

    An engine of the interpreter's own environment is started isolated, so that nothing in QGIS's current folder is
    taken for a module.
    """
    isolation = "-I" if interpreter.cwd is None else "-s"
    return [isolation, "-X", "utf8", "-m", "engine", "serve"]


def engine_variables() -> dict[str, str]:
    """All environment variables of the engine. They may hold a password: never to be logged."""
    variables = engine_environment()
    return {**variables, **proxy_variables(variables), **authority_variables(variables)}


def not_started(interpreter: Interpreter, reason: str) -> EngineCrashed:
    """The operating system did not run the interpreter."""
    return EngineCrashed(
        tr("The search engine could not be started with {python}: {reason}.").format(
            python=interpreter.python, reason=reason.rstrip(".")
        ),
        tr("Check the engine's Python under Settings ▸ Options ▸ MPS-CLIP."),
    )


def crash(opened: bool, status: str, killed: bool, log_file: Path | None) -> EngineCrashed:
    """The engine ended without being asked to.

    Args:
        opened: it had answered before.
        status: how it ended, such as :func:`exit_status` says it.
        killed: by the system or by a person, not by itself.
    """
    problem = tr("The search engine ended unexpectedly") if opened else tr("The search engine does not start")
    if killed:
        remedy = tr(
            "If memory ran out, close other programs or choose a smaller model. The next search starts it again."
        )
    elif opened:
        remedy = tr("The next search starts it again. If it happens again, report it with the log.")
    else:
        remedy = tr("Check the engine's Python under Settings ▸ Options ▸ MPS-CLIP.")
    return EngineCrashed(f"{problem} ({status}).", remedy, last_lines(log_file), str(log_file or ""))


def broken_stream(reason: str, log_file: Path | None) -> EngineCrashed:
    """What the engine sent is not the protocol."""
    return EngineCrashed(
        tr("The search engine sent something that is not understood: {reason}").format(reason=reason),
        tr("Check that the engine's Python is the one in which this plugin's engine is installed."),
        last_lines(log_file),
        str(log_file or ""),
    )


def silent(seconds: int, log_file: Path | None) -> EngineCrashed:
    """The engine runs but does not answer ``initialize``."""
    return EngineCrashed(
        tr("The search engine did not answer within {seconds} s of its start.").format(seconds=seconds),
        tr("Try again; if it stays so, check the engine's Python under Settings ▸ Options ▸ MPS-CLIP."),
        last_lines(log_file),
        str(log_file or ""),
    )


def exit_status(code: int) -> tuple[str, bool]:
    """A return code as :mod:`subprocess` gives it, in words, and whether it means that the process was killed."""
    if os.name != "posix":  # crashes have codes that are known by their hexadecimal form, such as 0xC0000005
        return tr("exit status {code}").format(code=code if 0 <= code < 256 else f"0x{code & 0xFFFFFFFF:08X}"), False
    if code >= 0:
        return tr("exit status {code}").format(code=code), False
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    return tr("signal {name}").format(name=name), -code in (signal.SIGKILL, signal.SIGTERM)
