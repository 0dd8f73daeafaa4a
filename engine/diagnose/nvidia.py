"""The NVIDIA driver, asked through its own tool: also where PyTorch cannot use it, or was built without CUDA."""

from __future__ import annotations

import os
import shutil
import subprocess  # nosec B404  # the driver's own tool by its whole path, with fixed arguments
from dataclasses import dataclass
from pathlib import Path

_LIMIT_SECONDS = 20
_QUERY = ("--query-gpu=driver_version,name", "--format=csv,noheader")


@dataclass(frozen=True)
class NvidiaDriver:
    """A driver and the names of its cards."""

    version: str
    cards: tuple[str, ...]

    def __str__(self) -> str:
        return f"NVIDIA {self.version} ({', '.join(self.cards)})"

    @classmethod
    def ask(cls) -> NvidiaDriver | None:
        """The driver; None where there is none, or none that answers."""
        program = nvidia_smi()
        if program is None:
            return None
        try:
            done = subprocess.run(  # nosec B603  # fixed arguments, no shell
                [program, *_QUERY],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_LIMIT_SECONDS,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        rows = [line.split(", ", 1) for line in done.stdout.splitlines() if ", " in line]
        if done.returncode or not rows:
            return None
        return cls(rows[0][0].strip(), tuple(row[1].strip() for row in rows))


def nvidia_smi(on_windows: bool = os.name == "nt") -> str | None:
    """The whole path of the driver's tool, never one in the current folder; None: it is not there.

    Windows looks for a bare name in the current folder first, so only the driver's own place counts there.
    """
    if on_windows:
        root = os.environ.get("SYSTEMROOT", "")
        tool = Path(root if Path(root).is_absolute() else "C:\\Windows", "System32", "nvidia-smi.exe")
        return str(tool) if tool.is_file() else None
    whole = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if Path(folder).is_absolute()]
    return shutil.which("nvidia-smi", path=os.pathsep.join(whole))
