"""From what a broken library says to what its user can do."""

from __future__ import annotations

import re
import signal

INSTALL_AGAIN = "Install the engine again (in QGIS: Install Engine in the dock; in a checkout: make setup)."
# The first that fits holds. Words of loaders and libraries, which differ by system and not by package.
_KNOWN = (
    (
        r"dll load failed|winerror 12[67]\b|winerror 1114\b|vcruntime|msvcp1\d\d",
        "Install the Microsoft Visual C++ Redistributable 2015–2022 (x64) and restart Windows. If it is there, an"
        " antivirus program may have taken files away: allow the engine's folder, then install the engine again.",
    ),
    (
        r"glibc(xx)?_\d|cxxabi_\d",
        "This Linux is older than the packages support (glibc 2.28 or newer). Use a newer system or container.",
    ),
    (
        r"array_api not found|multiarray failed to import|numpy 1\.x cannot be run|dtype size changed|undefined symbol"
        r"|symbol not found|procedure could not be found",
        f"Packages of different origins are mixed. Unset PYTHONPATH and LD_LIBRARY_PATH. {INSTALL_AGAIN}",
    ),
    (
        r"incompatible architecture|wrong elf class|not a valid win32 application|winerror 193\b",
        "The packages are for another processor than this Python. Use a 64-bit Python made for this machine.",
    ),
    (
        r"code signature|library load disallowed|not valid for use in process|library validation",
        f"macOS refuses a file: it is quarantined or was changed. Remove the engine's folder. {INSTALL_AGAIN}",
    ),
    (r"no space left|errno 28\b|winerror 112\b", "Free some disk space, then run this again."),
    (
        r"memoryerror|cannot allocate memory|out of memory|winerror 1455\b|paging file",
        "Close other programs; on Windows let it manage the size of the paging file. Then run this again.",
    ),
    (
        r"permission denied|errno 13\b|access is denied|winerror (5|32)\b",
        "Allow your user to read the engine's folder. An antivirus program may hold the file: allow the folder there.",
    ),
    (
        r"cannot open shared object file",
        "A library of the system is missing: install it with the system's packages, then run this again.",
    ),
)
_SIGNALS = {
    "SIGILL": "The processor lacks instructions that the package was built with. Use a newer machine, or a build of"
    " the package for this one.",
    "SIGKILL": "The system ended it, mostly since memory ran out. Close other programs and run this again.",
    "SIGSEGV": f"{INSTALL_AGAIN} If it stays so, report it with this page.",
}
# Exit statuses of Windows for what is a signal elsewhere.
_WINDOWS = {0xC000001D: "SIGILL", 0xC0000005: "SIGSEGV", 0xC0000409: "SIGABRT", 0xC0000017: "SIGKILL"}


def remedy_for(message: str) -> str:
    """What to do about an error's message; to install again, where nothing better is known."""
    text = message.lower()
    return next((remedy for pattern, remedy in _KNOWN if re.search(pattern, text)), INSTALL_AGAIN)


def describe_end(status: int) -> tuple[str, str]:
    """How a process ended that should not have (``SIGSEGV``, ``exit status 3``), and what to do."""
    name = _WINDOWS.get(status & 0xFFFFFFFF, "")
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
    return name or f"exit status {status}", _SIGNALS.get(name, _SIGNALS["SIGSEGV"])
