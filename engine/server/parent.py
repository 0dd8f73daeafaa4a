"""Whether the program that started the engine still runs."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

POLL_SECONDS = 1.0


def watch(pid: int, gone: Callable[[], None], poll_seconds: float = POLL_SECONDS) -> None:
    """Calls ``gone``, from a thread of its own, when process ``pid`` has ended.

    The end of standard input says the same and at once; but another child of that process may hold the pipe open.
    """
    is_alive = _make_check(pid)

    def poll() -> None:
        wait = threading.Event()
        while is_alive():
            wait.wait(poll_seconds)
        gone()

    threading.Thread(target=poll, name="parent", daemon=True).start()


if sys.platform == "win32":
    import ctypes

    _SYNCHRONIZE = 0x0010_0000
    _RUNNING = 0x0000_0102  # WAIT_TIMEOUT: the process has not ended

    def _make_check(pid: int) -> Callable[[], bool]:
        # The handle is kept: the number of an ended process may be given to another one.
        kernel = ctypes.WinDLL("kernel32")
        kernel.OpenProcess.restype = ctypes.c_void_p
        kernel.WaitForSingleObject.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        handle = kernel.OpenProcess(_SYNCHRONIZE, False, pid)
        return lambda: bool(handle) and kernel.WaitForSingleObject(handle, 0) == _RUNNING

else:

    def _make_check(pid: int) -> Callable[[], bool]:
        if os.getppid() == pid:
            # Ended children stay in the table until they are waited for; who is orphaned gets another parent at once.
            return lambda: os.getppid() == pid
        return lambda: _exists(pid)

    def _exists(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True  # another user's
        return True
