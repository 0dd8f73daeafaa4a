"""Troubles that show only in how a command ended: signals, and the exceptions of Windows."""

from __future__ import annotations

import signal

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.troubles.log import Trouble

# Exceptions of Windows end a process with their number as its status.
_ILLEGAL_INSTRUCTION = 0xC000001D
_NO_MEMORY = 0xC0000017
_DLL_MISSING = 0xC0000135
_INTERRUPTED = 0xC000013A
_CRASHES = 0xC0000000


def out_of_memory() -> Trouble:
    """The main memory was not enough."""
    return Trouble(
        "memory",
        tr("Memory ran out."),
        tr("Close other programs and try again: what was fetched is kept."),
    )


def of_returncode(code: int | None, platform: str) -> Trouble | None:
    """What a return code of :mod:`subprocess` tells by itself; None where it tells nothing."""
    if code is None:
        return None
    if platform == "win32":
        return _of_exception(code & 0xFFFFFFFF)
    return of_signal(_name_of(-code)) if code < 0 else None


def _of_exception(status: int) -> Trouble | None:
    if status == _ILLEGAL_INSTRUCTION:
        return _old_processor()
    if status == _NO_MEMORY:
        return out_of_memory()
    if status == _DLL_MISSING:
        return Trouble(
            "vc-runtime",
            tr("Windows lacks a library: the Microsoft Visual C++ Redistributable is missing or too old."),
            tr(
                "Install the latest ‘Microsoft Visual C++ Redistributable’ for x64 from Microsoft's web site, start"
                " Windows again, and try again."
            ),
        )
    if status == _INTERRUPTED:
        return _killed("CTRL+C")
    return _killed(f"0x{status:08X}") if status >= _CRASHES else None


def of_signal(name: str) -> Trouble:
    """What a signal tells that ended a process, such as ``SIGILL``."""
    if name == "SIGILL":
        return _old_processor()
    if name == "SIGXFSZ":
        return Trouble(
            "disk-full",
            tr("A file grew larger than this account may write (ulimit -f)."),
            tr("Ask whoever manages the computer to lift the limit."),
        )
    return _killed(name)


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _killed(name: str) -> Trouble:
    return Trouble(
        "killed",
        tr("The installation was ended from outside or crashed ({name}).").format(name=name),
        tr(
            "Most often memory ran out: close other programs and try again; what was fetched is kept. A virus scanner"
            " may end programs too. If it happens again, report it with the whole log."
        ),
    )


def _old_processor() -> Trouble:
    return Trouble(
        "cpu-too-old",
        tr("The processor lacks instructions that the engine's libraries need (AVX2)."),
        tr(
            "Use a computer with a processor of 2013 or later (Intel Haswell, AMD Excavator or Zen). In a virtual"
            " machine, let it see the host's processor."
        ),
    )
