"""Whether an engine runs from an environment, and the deletion of whole folders.

Every engine holds a lock file of its environment (engine/cli/environment.py). Other programs that may run from there,
such as an older engine, are looked for besides: on Windows a program that runs cannot be opened for writing; elsewhere
the command lines of running processes tell, where they name the environment by the path that is known here.

The check of child processes that is marked here does not apply: no shell is involved, and ``ps`` is the system's own.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import subprocess  # nosec B404
import time
from collections.abc import Callable
from pathlib import Path

from qgis_mpsclip.install.long_paths import long_form

LOCK = "in_use.lock"
_SECONDS = 10
_PATIENCE = 2.0  # seconds


def is_in_use(environment: Path) -> bool:
    """Whether an engine, or another program that can be seen, runs from the environment."""
    if is_held(environment):
        return True
    if os.name == "nt":
        return any(not _can_be_written(program) for program in environment.glob("Scripts/python*.exe"))
    prefix = f"{environment}{os.sep}"
    return any(command.startswith(prefix) for command in _commands())


def is_held(environment: Path) -> bool:
    """Whether an engine holds the environment's lock; False also where its disk knows no locks."""
    descriptor = _opened(environment / LOCK)
    if descriptor is None:
        return False
    try:
        return not _can_lock(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(folder: Path) -> bool:
    """Deletes a folder with all that is in it; links are deleted, not followed. False: something is left."""
    if os.path.lexists(folder):
        shutil.rmtree(long_form(folder), onerror=_retry)
    return not os.path.lexists(folder)


def patiently(do: Callable[[], object]) -> None:
    """Does what Windows refuses for a moment while a virus scanner or an indexer has the file.

    Raises:
        OSError: it is refused for other reasons, or after two seconds still.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            do()
            return
        except PermissionError:
            if time.monotonic() > until:
                raise
        time.sleep(0.05)


def _commands() -> list[str]:
    """Command lines of running processes, as far as they may be seen."""
    if Path("/proc/self/cmdline").is_file():
        return _commands_of_proc()
    try:
        done = subprocess.run(  # nosec B603 B607
            ["ps", "-axww", "-o", "command="],
            env={**os.environ, "LC_ALL": "en_US.UTF-8"},  # else letters beyond ASCII are written in octal
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return os.fsdecode(done.stdout).splitlines()


def _commands_of_proc() -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            found.append(os.fsdecode(file.read_bytes()).replace("\0", " "))
    return found


def _opened(file: Path) -> int | None:
    for mode in (os.O_RDWR, os.O_RDONLY):  # an administrator's file can only be read
        with contextlib.suppress(OSError):
            return os.open(file, mode)
    return None


if os.name == "nt":
    import msvcrt

    def _can_lock(descriptor: int) -> bool:
        """Engines have locked one byte each, beyond the file's end."""
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 0x7FFFFFFF)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 0x7FFFFFFF)
        except OSError as error:
            return error.errno not in (errno.EACCES, errno.EDEADLK)
        return True

else:
    import fcntl

    def _can_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
        return True


def _can_be_written(program: Path) -> bool:
    def look() -> None:
        with program.open("r+b"):
            pass

    try:
        patiently(look)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _retry(function: object, path: str, _: object) -> None:
    """Read-only files cannot be deleted on Windows until they are writable."""
    with contextlib.suppress(OSError):
        os.chmod(path, stat.S_IRWXU)  # noqa: PTH101
        if function in (os.unlink, os.remove):
            os.unlink(path)  # noqa: PTH108
        elif function is os.rmdir:
            os.rmdir(path)  # noqa: PTH106
