"""A client of the engine's own process. It trusts nothing: each byte on standard output must belong to a frame."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SERVE = (sys.executable, "-m", "engine", "serve")


def frame(message: object) -> bytes:
    """Any JSON value as a frame."""
    body = json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class RpcClient:
    """Starts the engine; ``messages`` has all it has said so far. Leaving the context ends it."""

    def __init__(self, command: Sequence[str] = SERVE, **environ: str) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            bufsize=0,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environ},
        )
        self.messages: list[dict[str, Any]] = []
        self.garbage = b""  # what came out and was no frame
        self._changed = threading.Condition()
        self._ids = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> RpcClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        if kind is not None:
            print(self.log())  # pytest shows it with the failure
        self.errors.close()

    def write(self, data: bytes) -> None:
        """Raw bytes to its standard input."""
        assert self.process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[self.process.stdin.write(view) or 0 :]

    def close_input(self) -> None:
        """The end of its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def send(self, method: str, **params: object) -> int:
        """Sends a request; returns its id."""
        self._ids += 1
        self.write(frame({"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params}))
        return self._ids

    def initialize(self, **params: object) -> dict[str, Any]:
        """The first request, answered."""
        return self.result(self.send("initialize", **{"protocol": 1, "client": "tests", **params}))

    def answer(self, request_id: int | None, seconds: float = 600.0) -> dict[str, Any]:
        """The whole answer to a request."""
        return self.wait_for(lambda message: "method" not in message and message["id"] == request_id, seconds)

    def result(self, request_id: int, seconds: float = 600.0) -> Any:
        """The result of a request that must succeed."""
        answer = self.answer(request_id, seconds)
        assert "error" not in answer, answer
        return answer["result"]

    def error(self, request_id: int | None, seconds: float = 600.0) -> dict[str, Any]:
        """The error of a request that must fail; it has a problem and a remedy."""
        answer = self.answer(request_id, seconds)
        assert "error" in answer, answer
        error: dict[str, Any] = answer["error"]
        assert error["data"]["problem"] and error["data"]["remedy"], error
        return error

    def said(self, method: str) -> list[dict[str, Any]]:
        """The parameters of all notifications of a kind so far."""
        with self._changed:
            return [message["params"] for message in self.messages if message.get("method") == method]

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 600.0) -> dict[str, Any]:
        """The first message that is wanted."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [message for message in self.messages if wanted(message)]
            return bool(found) or not self._reader.is_alive()

        with self._changed:
            self._changed.wait_for(look, seconds)
            look()
        if not found:
            raise AssertionError(f"no such message within {seconds} s; the engine's log:\n{self.log()}")
        return found[0]

    def wait(self, seconds: float = 20.0) -> int:
        """Its exit status, once all it wrote has been read."""
        status = self.process.wait(seconds)
        self._reader.join(seconds)
        return status

    def log(self) -> str:
        """What it wrote to standard error."""
        return os.pread(self.errors.fileno(), 1 << 20, 0).decode()

    def _read(self) -> None:
        pipe = self.process.stdout
        assert pipe is not None
        data = b""
        while True:
            head, separator, rest = data.partition(b"\r\n\r\n")
            name, _, length = head.partition(b": ")
            if separator and (name != b"Content-Length" or not length.isdigit()):
                break
            if separator and len(rest) >= int(length):
                body, data = rest[: int(length)], rest[int(length) :]
                with self._changed:
                    self.messages.append(json.loads(body))
                    self._changed.notify_all()
                continue
            more = pipe.read(1 << 16)
            if not more:
                break
            data += more
        self.garbage = data
        with self._changed:
            self._changed.notify_all()
