"""The log of an installation: everything that was run and all that it said, without passwords."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from qgis_mpsclip.install.places import log_folder

KEPT = 10
MASK = "***"
_LOGIN = re.compile(r"(?<=://)[^/\s\"'<>]+@")
_started = itertools.count(1)


class InstallLog:
    """Text that goes to a file at once and is kept in memory; usable from several threads.

    Args:
        file: where it goes; None: memory alone.
        secrets: texts that are masked wherever they stand, besides the logins of addresses.
    """

    def __init__(self, file: Path | None, secrets: Iterable[str] = ()) -> None:
        self.file = file
        self._secrets = sorted({secret for secret in secrets if len(secret) > 3}, key=len, reverse=True)
        self._lines: list[str] = []
        self._lock = threading.Lock()

    @property
    def text(self) -> str:
        """All lines so far, masked."""
        with self._lock:
            return "\n".join(self._lines)

    def write(self, line: str) -> None:
        """Adds a line, with the time."""
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        masked = self.masked(line.rstrip())
        with self._lock:
            self._lines.append(masked)
            if self.file is not None:
                with contextlib.suppress(OSError), self.file.open("a", encoding="utf-8") as stream:
                    stream.write(f"{now} {masked}\n")

    def masked(self, text: str) -> str:
        """``text`` without logins and secrets."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return _LOGIN.sub(f"{MASK}@", text)


def new_log_file() -> Path | None:
    """A new empty file ``install-TIME-PROCESS-N.log``; older ones beyond the newest few are deleted.

    None where none can be written: a disk may be full, and the installation then says so.
    """
    started = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    file = log_folder() / f"install-{started}-{os.getpid()}-{next(_started)}.log"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    except OSError:
        return None
    for old in sorted(file.parent.glob("install-*.log"), key=lambda path: path.name)[:-KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()
    return file


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """Passwords in the addresses of environment variables, as they stand there and as they are meant."""
    found = []
    for name, value in environ.items():
        if any(word in name.upper() for word in ("PASSWORD", "TOKEN", "SECRET")):
            found.append(value)
        with contextlib.suppress(ValueError):  # no address, such as "[" alone
            password = urlsplit(value).password if "://" in value else None
            if password:
                found += [password, unquote(password)]
    return found
