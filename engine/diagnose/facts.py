"""What can be said of this installation without loading any package."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from engine.diagnose.finding import Seen
from engine.errors import EngineError
from engine.resources import project_version

OLDEST_PYTHON = (3, 10)
# Of another Python, GDAL or PROJ: the commonest cause of wrong coordinates and failed imports.
FOREIGN = (
    "GDAL_DATA",
    "GDAL_DRIVER_PATH",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "DYLD_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
    "PROJ_DATA",
    "PROJ_LIB",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONUSERBASE",
)
# What else changes how the engine works.
TOLD = (
    "CUDA_VISIBLE_DEVICES",
    "HF_HUB_OFFLINE",
    "OMP_NUM_THREADS",
    "MPSCLIP_CACHE",
    "MPSCLIP_DATA_DIR",
    "MPSCLIP_LLM_MODEL",
    "MPSCLIP_SEGMENTER_WEIGHTS",
)
# Their values may hold addresses of a company's own and passwords: only that they are set is told.
UNTOLD = (
    "HF_ENDPOINT",
    "HF_TOKEN",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "MPSCLIP_LLM_API_KEY",
    "MPSCLIP_LLM_URL",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)


def look_at_project() -> Seen:
    """Version of the project, the Python that runs it."""
    return Seen(f"{project_version()}, Python {platform.python_version()}, {sys.executable}")


def look_at_system() -> Seen:
    """Operating system, processor, memory.

    Raises:
        EngineError: a Python for 32 bit, or one that is too old.
    """
    bits = 64 if sys.maxsize > 2**32 else 32
    again = "Install the engine with a 64-bit Python 3.10 or newer."
    if bits == 32:
        raise EngineError("This Python is for 32 bit: PyTorch has no such build.", again)
    if sys.version_info < OLDEST_PYTHON:
        raise EngineError(f"Python {platform.python_version()} is too old.", again)
    parts = [platform.platform(), platform.machine(), f"{os.cpu_count()} processors"]
    memory = _memory()
    if memory:
        parts.append(f"{memory / 1e9:.1f} GB of memory")
    return Seen(", ".join(parts))


def look_at_environment() -> Seen:
    """Whether Python runs in a virtual environment of its own, and what made it."""
    if sys.prefix == sys.base_prefix:
        return Seen(
            f"no virtual environment: {sys.prefix}",
            "Other programs may change these packages. An environment of its own is safer: Install Engine makes one.",
        )
    settings = _settings(Path(sys.prefix, "pyvenv.cfg"))
    maker = f"made by uv {settings['uv']}" if "uv" in settings else "made by venv"
    detail = f"virtual environment {sys.prefix}, {maker}, on {settings.get('home', sys.base_prefix)}"
    if settings.get("include-system-site-packages", "false").lower() == "true":
        return Seen(detail, "It also takes packages of the system, which may not fit: make it without them.")
    return Seen(detail)


def look_at_variables(environ: Mapping[str, str] | None = None) -> Seen:
    """Variables of the process environment that lead elsewhere, or that say how to work."""
    environ = os.environ if environ is None else environ
    upper = {name.upper(): value for name, value in environ.items() if value}
    foreign = [f"{name}={upper[name]}" for name in FOREIGN if name in upper]
    told = [f"{name}={upper[name]}" for name in TOLD if name in upper]
    untold = [f"{name} is set" for name in UNTOLD if name in upper]
    detail = ", ".join([*foreign, *told, *untold]) or "no variables of other installations"
    names = ", ".join(name for name in FOREIGN if name in upper)
    return Seen(detail, f"Unset {names} if packages or coordinates below are wrong." if foreign else "")


def _settings(file: Path) -> dict[str, str]:
    """The lines ``key = value`` of a ``pyvenv.cfg``; none where it cannot be read."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _memory() -> int:
    """Bytes of memory; 0 where the system does not say (Windows)."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0
