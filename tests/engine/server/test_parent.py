from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.server.parent import watch

ROOT = Path(__file__).resolve().parents[3]


def test_the_end_of_any_process_is_noticed() -> None:
    gone = threading.Event()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        watch(other.pid, gone.set, poll_seconds=0.05)
        assert not gone.wait(0.3)
        other.communicate(b"\n")
    assert gone.wait(10)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no orphans")
def test_a_parent_that_nobody_has_waited_for_is_gone_all_the_same() -> None:
    """The test starts a process that starts another one, which watches it and outlives it."""
    grandchild = (
        "import os, sys, threading; from engine.server.parent import watch; gone = threading.Event();"
        "watch(int(sys.argv[1]), gone.set, 0.05); print('watching', flush=True); print(gone.wait(60), flush=True)"
    )
    child = (
        f"import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', {grandchild!r}, str(os.getpid())],"
        f"stdout=int(sys.argv[1]), cwd={str(ROOT)!r}); input()"
    )
    read, write = os.pipe()
    command = [sys.executable, "-c", child, str(write)]
    # Not waited for before the end: until then it is a zombie, which os.kill(pid, 0) takes for alive.
    with os.fdopen(read) as said, subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[write]) as parent:
        os.close(write)
        assert said.readline() == "watching\n"
        assert parent.stdin is not None
        parent.stdin.write(b"\n")
        parent.stdin.close()
        assert said.readline() == "True\n"
