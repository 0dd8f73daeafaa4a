"""What this machine could run the engine on, found without the engine.

The checks of child processes that are marked here do not apply: no shell is involved, and the programs are the
system's own.
"""

from __future__ import annotations

import ntpath
import os
import platform as system_platform
import re
import subprocess  # nosec B404
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qgis_mpsclip.client.environment import engine_environment
from qgis_mpsclip.install.programs import find_program, program_of_windows

_SECONDS = 10
_SYSCTL = "/usr/sbin/sysctl"


@dataclass(frozen=True)
class Device:
    """The fastest device that the engine could use here.

    Attributes:
        kind: ``cuda``, ``mps`` or ``cpu``.
        name: as its maker calls it; empty where not known.
        driver: version of the NVIDIA driver; empty for others.
        cuda_level: newest CUDA that the driver runs, such as ``12.4``; empty for others.
    """

    kind: str
    name: str = ""
    driver: str = ""
    cuda_level: str = ""


def detect_device(platform: str = sys.platform) -> Device:
    """Looks for an NVIDIA driver, then for Apple's chips; the CPU is always there. Takes up to a few seconds."""
    if platform == "darwin":
        return Device("mps", _said_by([_SYSCTL, "-n", "machdep.cpu.brand_string"])) if machine() == "arm64" else _cpu()
    tool = find_program("nvidia-smi", ["/usr/lib/wsl/lib"]) if platform != "win32" else _tool_on_windows()
    return (read_nvidia(_said_by([str(tool), "-q"])) if tool else None) or _cpu()


def read_nvidia(report: str) -> Device | None:
    """The first device of what ``nvidia-smi -q`` prints; None where it reports none."""
    name = re.search(r"^\s*Product Name\s*:\s*(.+?)\s*$", report, re.MULTILINE)
    driver = re.search(r"^Driver Version\s*:\s*([\d.]+)", report, re.MULTILINE)
    cuda = re.search(r"^CUDA (?:\w+ )?Version\s*:\s*(\d+\.\d+)", report, re.MULTILINE)
    if name is None or driver is None:
        return None
    return Device("cuda", name.group(1), driver.group(1), cuda.group(1) if cuda else "")


def machine() -> str:
    """The processor's architecture as Python of the machine's own kind says it: ``x86_64``, ``AMD64``, ``arm64`` …

    A QGIS for Intel on an Apple chip is told that it is on Intel; the engine runs without that translation.
    """
    if sys.platform == "darwin" and _said_by([_SYSCTL, "-n", "hw.optional.arm64"]) == "1":
        return "arm64"
    return system_platform.machine()


def macos_version() -> str:
    """This Mac's version, such as ``14.5``; empty where it cannot be told.

    Not Python's word: one that was built for an older macOS is told 10.16 by every newer one.
    """
    return _said_by([_SYSCTL, "-n", "kern.osproductversion"], SYSTEM_VERSION_COMPAT="0")


def nvidia_places(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Where drivers put ``nvidia-smi`` on Windows, newer ones first."""
    programs = environ.get("PROGRAMFILES", "")
    older = [ntpath.join(programs, "NVIDIA Corporation", "NVSMI", "nvidia-smi.exe")] if ntpath.isabs(programs) else []
    return [program_of_windows("nvidia-smi.exe", environ), *older]


def _cpu() -> Device:
    return Device("cpu", system_platform.processor())


def _tool_on_windows() -> str | None:
    return next((path for path in nvidia_places() if Path(path).is_file()), None)


def _said_by(command: list[str], **variables: str) -> str:
    """What a program prints; empty where there is none, or it fails or hangs."""
    try:
        done = subprocess.run(  # nosec B603
            command,
            env={**engine_environment(), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", errors="replace").strip() if done.returncode == 0 else ""
