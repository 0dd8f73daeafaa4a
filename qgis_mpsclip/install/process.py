"""Child processes of an installation: their output to the log, their end within two seconds when it is cancelled.

The checks of child processes that are marked here do not apply: no shell is involved, and the programs are uv, the
interpreter of the environment, and the system's own taskkill.
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import shlex
import signal
import subprocess  # nosec B404
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallCancelled, InstallError
from qgis_mpsclip.install.log import InstallLog
from qgis_mpsclip.install.programs import program_of_windows

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 1.0
_TASKKILL_SECONDS = 5.0  # it is slow where a virus scanner reads it, and children are left where it is cut short
_LOST_SECONDS = 0.5


@dataclass(frozen=True)
class Finished:
    """How a child ended.

    Attributes:
        returncode: as :mod:`subprocess` gives it.
        stdout: all of its standard output.
        output: all of its output, in the order in which it came.
    """

    returncode: int
    stdout: str
    output: str


class Runner:
    """Runs the children of one installation.

    Args:
        environ: all environment variables of the children. They may hold a password: never logged.
        folder: their working folder.
        is_cancelled: asked ten times a second.
    """

    def __init__(
        self, log: InstallLog, environ: Mapping[str, str], folder: Path, is_cancelled: Callable[[], bool]
    ) -> None:
        self.log = log
        self.is_cancelled = is_cancelled
        self._environ = environ
        self._folder = folder

    def with_environ(self, environ: Mapping[str, str]) -> Runner:
        """The same with other environment variables."""
        return Runner(self.log, environ, self._folder, self.is_cancelled)

    def check_cancelled(self) -> None:
        """Raises InstallCancelled where that was asked for."""
        if self.is_cancelled():
            raise InstallCancelled(str(self.log.file or ""))

    def run(
        self,
        command: Sequence[str | Path],
        on_line: Callable[[str], None] = lambda line: None,
        seconds: float | None = None,
        folder: Path | None = None,
    ) -> Finished:
        """Runs a program to its end.

        Args:
            on_line: gets each line of its output, and an empty one about ten times a second; called in this thread.
            seconds: it is killed after so many, and its return code is that of a killed process.
            folder: another working folder.

        Raises:
            InstallCancelled: it and its own children have been ended.
            InstallError: it cannot be started.
        """
        self.check_cancelled()
        words = [str(word) for word in command]
        self.log.write(f"$ {shlex.join(words)}")
        child = self._start(words, folder or self._folder)
        lines: queue.SimpleQueue[tuple[bool, str] | None] = queue.SimpleQueue()
        readers = [
            threading.Thread(target=_read, args=(stream, is_stdout, lines), daemon=True)
            for stream, is_stdout in ((child.stdout, True), (child.stderr, False))
        ]
        for reader in readers:
            reader.start()
        try:
            stdout, output = self._follow(child, lines, on_line, seconds)
        except BaseException:
            kill(child)
            raise
        finally:
            for reader in readers:
                reader.join(_LOST_SECONDS)
        self.log.write(f"= {child.returncode}")
        return Finished(child.returncode, stdout, output)

    def _start(self, words: list[str], folder: Path) -> subprocess.Popen[bytes]:
        windows = os.name == "nt"
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP if windows else 0
        try:
            return subprocess.Popen(  # nosec B603
                words,
                cwd=folder,
                env=dict(self._environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=not windows,  # a group of its own, so that all of it can be ended
                creationflags=flags,
            )
        except OSError as error:
            raise InstallError(
                tr("{program} could not be started: {reason}.").format(program=words[0], reason=error.strerror),
                tr("Check that the file is there and that no virus scanner holds it, and install again."),
                "unknown",
                str(self.log.file or ""),
            ) from error

    def _follow(
        self,
        child: subprocess.Popen[bytes],
        lines: queue.SimpleQueue[tuple[bool, str] | None],
        on_line: Callable[[str], None],
        seconds: float | None,
    ) -> tuple[str, str]:
        """Standard output and all output of a child, which has then ended."""
        until = math.inf if seconds is None else time.monotonic() + seconds
        given_up = math.inf
        stdout: list[str] = []
        output: list[str] = []
        open_streams, lost = 2, None
        while open_streams and time.monotonic() < given_up:
            self.check_cancelled()
            if time.monotonic() > until:  # in every turn: a child may print without a pause
                self.log.write(f"! no end within {seconds:g} s")
                kill(child)
                until, given_up = math.inf, time.monotonic() + _LOST_SECONDS
            try:
                found = lines.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                on_line("")
                if child.poll() is not None:  # what it started may hold its pipes open
                    lost = lost or time.monotonic() + _LOST_SECONDS
                    if time.monotonic() > lost:
                        break
                continue
            if found is None:
                open_streams -= 1
                continue
            is_stdout, line = found
            output.append(line)
            if is_stdout:
                stdout.append(line)
            self.log.write(line)
            on_line(line)
        child.wait()
        return "\n".join(stdout), "\n".join(output)


def kill(child: subprocess.Popen[bytes]) -> None:
    """Ends a child and what it has started: asks first, and does not wait long."""
    if os.name == "nt":
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(  # nosec B603
                [program_of_windows("taskkill.exe"), "/F", "/T", "/PID", str(child.pid)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TASKKILL_SECONDS,
                check=False,
                creationflags=subprocess.CREATE_NO_WINDOW,
            )
        child.kill()
    else:
        _signal(child, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_SECONDS)
        _signal(child, signal.SIGKILL)  # what it started may live on
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_GRACE_SECONDS)


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(OSError):  # all of the group has gone
        os.killpg(child.pid, number)


def _read(stream: BinaryIO, is_stdout: bool, lines: queue.SimpleQueue[tuple[bool, str] | None]) -> None:
    with stream, contextlib.suppress(OSError, ValueError):
        for line in stream:
            lines.put((is_stdout, line.decode("utf-8", errors="replace").rstrip("\r\n")))
    lines.put(None)
