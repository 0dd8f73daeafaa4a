"""The NVIDIA driver, asked through its own tool: also where PyTorch cannot use it, or was built without CUDA."""

from __future__ import annotations

import os
import shutil
import subprocess  # nosec B404  # the driver's own tool, found on PATH, with fixed arguments
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
        system = Path(os.environ.get("SYSTEMROOT", "C:/Windows"), "System32", "nvidia-smi.exe")
        program = shutil.which("nvidia-smi") or (str(system) if system.is_file() else None)
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
