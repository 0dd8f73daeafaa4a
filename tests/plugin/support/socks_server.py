"""A SOCKS 5 proxy on the loopback address that asks for a login and leads every name to this machine."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class SocksServer:
    """Attributes: ``port``; ``asked``: host and port of each connection; ``logins``: user and password of each."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.logins: list[tuple[str, str]] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._lead, args=(client,), daemon=True).start()

    def _lead(self, client: socket.socket) -> None:
        with suppress(OSError, struct.error), client, client.makefile("rb") as stream:
            stream.read(stream.read(2)[1])
            client.sendall(b"\x05\x02")  # user and password, please
            stream.read(1)
            user, password = (stream.read(stream.read(1)[0]).decode() for _ in range(2))
            self.logins.append((user, password))
            client.sendall(b"\x01\x00")
            assert stream.read(4) == b"\x05\x01\x00\x03", "not a name"  # an address: the client has looked it up
            host = stream.read(stream.read(1)[0]).decode()
            (port,) = struct.unpack(">H", stream.read(2))
            self.asked.append((host, port))
            with socket.create_connection(("127.0.0.1", port)) as server:
                client.sendall(b"\x05\x00\x00\x01" + bytes(6))
                threading.Thread(target=_copy, args=(server, client), daemon=True).start()
                _copy(client, server)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def socks_server() -> Iterator[SocksServer]:
    server = SocksServer()
    yield server
    server.listener.close()
