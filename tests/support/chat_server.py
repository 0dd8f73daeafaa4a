"""An OpenAI-compatible server on the loopback address that answers as a test says, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class ChatServer:
    """``replies`` are used in turn, the last one again and again."""

    replies: list[Reply]
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.requests.append(json.loads(body))
        self.headers.append(dict(handler.headers))
        self.paths.append(handler.path)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        reply(handler)


@contextmanager
def chat_server(*replies: Reply) -> Iterator[ChatServer]:
    """Serves until it is left."""
    chat = ChatServer(list(replies))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):  # the client has had enough
                chat.answer(self)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    chat.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield chat
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def sends(status: int, body: str | bytes, **headers: str) -> Reply:
    """A whole answer."""
    data = body.encode() if isinstance(body, str) else body

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return reply


def says(content: str | None) -> Reply:
    """A chat completion with that text."""
    return sends(200, json.dumps({"id": "x", "choices": [{"message": {"role": "assistant", "content": content}}]}))


def finds(*positives: str, negatives: tuple[str, ...] = ()) -> Reply:
    """A chat completion with these keywords."""
    return says(json.dumps({"positives": positives, "negatives": negatives}))


def is_silent(handler: BaseHTTPRequestHandler) -> None:
    """No answer for a second."""
    time.sleep(1.0)


def trickles(handler: BaseHTTPRequestHandler) -> None:
    """An answer that goes on for ever, a byte at a time; it ends when the client leaves."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    """The connection ends before an answer."""
    handler.close_connection = True
