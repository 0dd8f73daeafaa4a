"""Troubles with what the machine has: memory, libraries, drivers, policies, Python itself."""

from __future__ import annotations

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.troubles.ends import of_signal, out_of_memory
from qgis_mpsclip.install.troubles.log import Log, Rule, Trouble

_BASE_PYTHON = "Python 3.10, 3.11, 3.12 or 3.13"


def _memory(log: Log) -> Trouble | None:
    gpu = log.find(r"CUDA out of memory|MPS backend out of memory")
    if gpu:
        return Trouble(
            "memory",
            tr("The graphics card's memory ran out."),
            tr(
                "Close other programs that use it, or choose the device cpu under Settings ▸ Options ▸ MPS-CLIP, and"
                " try again."
            ),
        )
    if log.find_number((), (1455,)):
        return Trouble(
            "memory",
            tr("Windows' paging file is too small to load PyTorch."),
            tr(
                "Close other programs, or let Windows manage the size of the paging file (System ▸ Advanced system"
                " settings ▸ Performance ▸ Advanced ▸ Virtual memory), start Windows again, and try again."
            ),
        )
    if log.find(
        r"\bMemoryError\b|cannot allocate memory|memory allocation of \d+ bytes failed|not enough memory|bad_alloc"
        r"|Tokio executor failed.{0,80}code: (?:11|12)\b"
    ) or log.find_number((12,), (8, 14)):
        return out_of_memory()
    return None


def _ended(log: Log) -> Trouble | None:
    """The doctor imports each package in a process of its own and says how that ended."""
    found = log.find(r"ended the process \((?P<name>SIG[A-Z]+)\)")
    return of_signal(found["name"]) if found else None


def _runtime(log: Log) -> Trouble | None:
    found = log.find(
        r"(?:\[WinError (?P<number>126|127|1114)\].{0,200}?Error loading \\?\"(?P<file>[^\"]+?)\\?\""
        r"|DLL load failed while importing (?P<module>\w+)|VCRUNTIME140\w*\.dll|MSVCP140\w*\.dll)"
    )
    if found is None:
        return None
    file = (found["file"] or found["module"] or found[0]).replace("\\", "/").rsplit("/", 1)[-1]
    return Trouble(
        "vc-runtime",
        tr("Windows cannot load {file}: the Microsoft Visual C++ Redistributable is missing or too old.").format(
            file=file
        ),
        tr(
            "Install the latest ‘Microsoft Visual C++ Redistributable’ for x64 from Microsoft's web site, start Windows"
            " again, and try again."
        ),
    )


def _driver(log: Log) -> Trouble | None:
    found = log.find(r"NVIDIA driver on your system is too old(?: \(found version (?P<version>\d+)\))?") or log.find(
        r"(?P<version>)CUDA driver version is insufficient"
    )
    if found is None:
        return None
    version = found["version"]
    has = (
        tr("it knows CUDA {major}.{minor} at most").format(major=int(version) // 1000, minor=int(version) % 1000 // 10)
        if version
        else tr("its version is not known")
    )
    return Trouble(
        "driver-too-old",
        tr("The NVIDIA driver is too old for this build of PyTorch ({has}).").format(has=has),
        tr(
            "Update the driver from NVIDIA's web site or your system's packages and start the computer again; or choose"
            " the CPU build, or the device cpu under Settings ▸ Options ▸ MPS-CLIP."
        ),
    )


def _graphics_card(log: Log) -> Trouble | None:
    if not log.find(r"no kernel image is available|is not compatible with the current PyTorch installation"):
        return None
    return Trouble(
        "gpu-unsupported",
        tr("This build of PyTorch does not support the graphics card."),
        tr("Choose the CPU build, or the device cpu under Settings ▸ Options ▸ MPS-CLIP."),
    )


def _blocked(log: Log) -> Trouble | None:
    if log.find(r"library load disallowed by system policy|different Team IDs|code signature[^)]*not valid for use"):
        return Trouble(
            "blocked",
            tr("macOS refuses to load a library of the engine: {path}").format(path=log.place()),
            tr(
                "Its files carry the mark of a download (quarantine), or QGIS's Python was taken as base. Choose one"
                " from python.org, Homebrew or uv as base Python and install again. If the wheels came from a folder,"
                " remove the mark: xattr -dr com.apple.quarantine FOLDER"
            ),
        )
    if log.find(r"application control policy|blocked by group policy|0x800711C7") or log.find_number((), (4551, 1260)):
        return Trouble(
            "blocked",
            tr("A policy of this computer does not let a program of the engine run: {path}").format(path=log.place()),
            tr(
                "Smart App Control, AppLocker or a similar guard is on. Ask whoever manages the computer to allow the"
                " engine's folder (Settings ▸ Options ▸ MPS-CLIP shows it)."
            ),
        )
    return None


def _no_venv(log: Log) -> Trouble | None:
    found = log.find(r"ensurepip is not available|No module named '?(?P<module>venv|ensurepip)\b'?")
    if found is None:
        return None
    return Trouble(
        "no-venv",
        tr("{python} cannot make an environment: its module {module} is missing.").format(
            python=log.python or "Python", module=found["module"] or "ensurepip"
        ),
        tr("Install the package python3-venv (Debian, Ubuntu), or choose another Python as base: {pythons}.").format(
            pythons=_BASE_PYTHON
        ),
    )


def _no_python(log: Log) -> Trouble | None:
    found = log.find(r"No interpreter found (?:for|at path|in) (?P<what>.+?)(?= in managed| in search| hint|$)")
    if found is None:
        return None
    return Trouble(
        "python-missing",
        tr("No suitable Python was found: {what}.").format(what=found["what"].strip("` ")),
        tr("Install {pythons} (64 bit) and try again, or choose one that you have as base Python.").format(
            pythons=_BASE_PYTHON
        ),
    )


def _bad_python(log: Log) -> Trouble | None:
    found = log.find(
        r"(?:Failed to (?:inspect|query) Python interpreter|Can't use Python|Querying Python)"
        r"[^`]*(?:`(?P<path>[^`]+)`)?"
    )
    # What keeps uv from running a Python may be the machine's fault: then that is what to say.
    if found is None or log.find(r"permission denied|\(os error|\[WinError"):
        return None
    reason = log.find(r"Can't use Python at `[^`]+` (?P<why>.+)$")
    return Trouble(
        "python-missing",
        tr("{path} is no Python that can be used.").format(path=found["path"] or log.python or "?")
        + (" " + reason["why"] if reason else ""),
        tr("Choose another base Python ({pythons}, 64 bit), or none: then a suitable one is looked for.").format(
            pythons=_BASE_PYTHON
        ),
    )


def _managed_python(log: Log) -> Trouble | None:
    found = log.find(r"interpreter at `?(?P<path>[^`]+?)`? is externally managed|externally-managed-environment")
    if found is None:
        return None
    return Trouble(
        "no-write-access",
        tr("{path} belongs to the system, which allows no packages beside its own.").format(
            path=found["path"] or log.python or tr("This Python")
        ),
        tr("Choose Install engine, which makes an environment of its own, or the Python of an environment of yours."),
    )


RULES: tuple[Rule, ...] = (
    _memory,
    _blocked,
    _runtime,
    _driver,
    _graphics_card,
    _ended,
    _no_venv,
    _no_python,
    _bad_python,
    _managed_python,
)
