"""An engine of the real server and the real worker loop whose ``search`` does what no good library does, as its query
says: ``odd_engine.py`` serves, ``odd_engine.py worker`` is its child. It needs no PyTorch.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from engine.search.output import replacing
from engine.server.server import Server
from engine.server.streams import private_stdin, private_stdout, utf8_stderr
from engine.server.work import Work
from engine.server.worker import run_worker
from engine.types import Json, Progress

LIMIT = 20_000


class NoModels:
    """Nothing is loaded, and nothing can be."""

    @property
    def loaded(self) -> list[str]:
        return []

    def model(self, *_: object) -> Any:
        raise NotImplementedError

    def segmenter(self, *_: object) -> Any:
        raise NotImplementedError


def search(params: Json, work: Work) -> Json:
    """The query names what to do."""
    if params["query"] == "writes_for_ages":
        writes_for_ages(Path(params["out"]), work)
    return {"pid": os.getpid(), "did": ODDITIES[params["query"]](work)}


def writes_for_ages(out: Path, work: Work) -> None:
    """Half a file is there, and the disk is slow."""
    with replacing(out) as temporary:
        temporary.write_bytes(b"half of it")
        work.tell("hit", {"hit": {"written": "half"}})
        time.sleep(600)


def prints(_: Work) -> str:
    """As libraries do: from Python, from C, and from a child."""
    print("Content-Length: 5")
    os.write(1, b"Content-Length: 5\r\n\r\nnoise")
    subprocess.run([sys.executable, "-c", "print('a child was here')"], check=True)
    return "printed"


def reads(_: Work) -> str:
    """Standard input is empty for everybody else."""
    return sys.stdin.read() + os.read(0, 100).decode()


def holds_the_lock(_: Work) -> str:
    """Backtracks for ages within C, holding the interpreter's lock: no thread of this process runs meanwhile."""
    re.match(r"(a+)+$", "a" * 60 + "b")
    return "matched"


def does_not_listen(work: Work) -> str:
    """Waits without ever asking whether it may go on."""
    work.tell("hit", {"hit": {"waits": True}})
    time.sleep(600)
    return "slept"


def listens(work: Work) -> str:
    """Many small steps, each of which asks."""
    for done in range(1, 100_000):
        work.progress(Progress("refine", done, 100_000))
        time.sleep(0.002)
    return "went through"


def dies(_: Work) -> str:
    """As after a segmentation fault."""
    os.abort()


def exits(_: Work) -> str:
    """A library that ends the program."""
    sys.exit("a library says goodbye")


def fails(_: Work) -> str:
    """A defect."""
    raise ZeroDivisionError("a deep reason\nwith a second line")


def logs(_: Work) -> str:
    """The engine's own and a library's."""
    logging.getLogger("engine.text.llm").warning("the local keywords were taken")
    logging.getLogger("httpcore").warning("a library's business")
    return "logged"


def answers_at_length(_: Work) -> str:
    """More than a frame may have."""
    return "x" * (LIMIT + 1)


def nothing(_: Work) -> str:
    """Done at once."""
    return "done"


ODDITIES = {
    function.__name__: function
    for function in (
        prints,
        reads,
        holds_the_lock,
        does_not_listen,
        listens,
        dies,
        exits,
        fails,
        logs,
        answers_at_length,
        nothing,
    )
}


def main() -> None:
    machine = {"devices": [{"id": "cpu", "name": "CPU"}], "device": "cpu", "problems": []}
    if sys.argv[1:] == ["worker"]:
        run_worker({"search": search, "index.build": search}, lambda: machine, NoModels())
    outgoing = private_stdout()
    utf8_stderr()
    command = [sys.executable, str(Path(__file__).resolve()), "worker"]
    server = Server(private_stdin(), outgoing, command, grace=1.0, limit=LIMIT)
    server.stop_on_signals()
    os._exit(server.serve())


if __name__ == "__main__":
    main()
