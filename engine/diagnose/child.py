"""Looks done in child processes, so that a library that crashes, hangs or is missing is a finding and nothing more."""

from __future__ import annotations

import json
import queue
import subprocess  # nosec B404  # this interpreter, with fixed arguments
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from engine.diagnose.finding import Finding
from engine.diagnose.remedies import INSTALL_AGAIN, describe_end, remedy_for

ENGINE_ROOT = Path(__file__).resolve().parents[2]
# A first import on a slow disk with an antivirus program takes minutes.
LIMIT_SECONDS = 600.0
_LAST_LINES = 3
# By path and not by -m: the caller's folder and PYTHONSAFEPATH make no difference.
_CODE = (
    "import json, sys; sys.path.insert(0, sys.argv[1]);"
    "from engine.diagnose.worker import main; main(json.loads(sys.argv[2]))"
)
Job = tuple[str, ...]


def run_jobs(jobs: Sequence[Job], limit: float = LIMIT_SECONDS) -> Iterator[Finding]:
    """A finding for each job, in order, as they come.

    One process does as many as it can: libraries are loaded once, and side by side as in the engine. Where a look
    fails, a new process goes on after it.

    Args:
        jobs: (name of the check, ``module:function``, arguments …) each.
        limit: seconds for one look, after which its process is ended.
    """
    left = list(jobs)
    while left:
        for finding in _run_some(tuple(left), limit):
            left.pop(0)
            yield finding


def _run_some(jobs: Sequence[Job], limit: float) -> Iterator[Finding]:
    """Findings of one process: at least one, and a bad one last unless all jobs are done."""
    command = [sys.executable, *_flags(), "-c", _CODE, str(ENGINE_ROOT), json.dumps([list(job) for job in jobs])]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # nosec B603  # fixed arguments, no shell
            command,
            stdin=subprocess.PIPE,  # its end tells the child that this process is gone
            stdout=subprocess.PIPE,
            stderr=said,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        try:
            yield from _follow(process, jobs, limit, said)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def _follow(process: subprocess.Popen[bytes], jobs: Sequence[Job], limit: float, said: IO[bytes]) -> Iterator[Finding]:
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    done = 0
    start = time.monotonic()
    while done < len(jobs):
        check = jobs[done][0]
        try:
            line = lines.get(timeout=max(0.0, start + limit - time.monotonic()))
        except queue.Empty:
            yield Finding(
                check, False, f"It was not done within {limit:g} s.", f"Run this again. {INSTALL_AGAIN}", limit
            )
            return
        if not line:
            end, remedy = describe_end(process.wait())
            words = _last_words(said)
            seconds = round(time.monotonic() - start, 3)
            known = remedy_for(words)
            yield Finding(
                check,
                False,
                f"It ended the process ({end}){f': {words}' if words else '.'}",
                remedy if known == INSTALL_AGAIN else known,
                seconds,
            )
            return
        message = json.loads(line)
        start = time.monotonic()
        if "ok" in message:
            done += 1
            finding = Finding(**message)
            yield finding
            if not finding.ok:
                return


def _flags() -> list[str]:
    """The flags of this interpreter that decide where packages are found."""
    given = {"-I": sys.flags.isolated, "-s": sys.flags.no_user_site, "-Xutf8": sys.flags.utf8_mode}
    return [flag for flag, is_set in given.items() if is_set]


def _read(process: subprocess.Popen[bytes], lines: queue.Queue[bytes]) -> None:
    """Passes on each line and, at the end, an empty one."""
    if process.stdout is not None:
        for line in process.stdout:
            lines.put(line)
    lines.put(b"")


def _last_words(said: IO[bytes]) -> str:
    said.seek(0)
    lines = [line.strip() for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return " ".join(lines[-_LAST_LINES:])[-500:]
