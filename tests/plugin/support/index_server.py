"""A package index on the loopback address, with small wheels that it makes itself, that misbehaves when told to.

    with IndexServer() as index:
        index.add("alpha", "1.0")
        index.fault("alpha-1.0", "forbidden")
        run_uv("pip", "install", "--default-index", index.url, "-r", index.lock(folder))
        assert index.requests == [...]

The same server is a proxy when a client takes it for one: it answers 407, or as ``as_proxy`` says.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
# What a request can meet. Statuses are answered; the others happen on the wire.
STATUSES = {"unauthorized": 401, "forbidden": 403, "missing": 404, "broken": 500, "unavailable": 503}
FAULTS = (*STATUSES, "wrong-content", "cut", "reset", "stall", "stall-midway", "slow")


@dataclass(frozen=True)
class Wheel:
    """A wheel that an index offers.

    Attributes:
        name: of the project, normalised.
        filename: as PEP 427 has it.
        content: the file's bytes.
    """

    name: str
    version: str
    filename: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the true content."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def requirement(self) -> str:
        """A line of a lock: pinned, with the hash."""
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}\n"


def make_wheel(
    name: str, version: str, tag: str = "py3-none-any", requires: Iterable[str] = (), code: str = "", padding: int = 0
) -> Wheel:
    """A wheel with one module that holds ``__version__``.

    Args:
        tag: Python, ABI and platform, such as ``cp311-cp311-win_amd64``.
        requires: requirements as its metadata names them.
        code: more code of the module.
        padding: size in bytes of a data file that does not compress.
    """
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}/__init__.py": f"__version__ = {version!r}\n{code}".encode(),
        f"{info}/METADATA": "".join(
            f"{line}\n"
            for line in (
                "Metadata-Version: 2.1",
                f"Name: {name}",
                f"Version: {version}",
                *map("Requires-Dist: {}".format, requires),
            )
        ).encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    if padding:
        files[f"{module}/data.bin"] = hashlib.shake_128(name.encode()).digest(padding)
    record = "".join(f"{path},sha256={_record_hash(data)},{len(data)}\n" for path, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data)
    return Wheel(name, version, f"{module}-{version}-{tag}.whl", buffer.getvalue())


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, which nobody trusts, and its key, as PEM files."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise FileNotFoundError("the program openssl is not on PATH")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subject += ["-addext", "basicConstraints=critical,CA:FALSE"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([openssl, "req", "-x509", *kind, *subject, *files], check=True, capture_output=True)
    return certificate, key


class IndexServer:
    """Serves from ``__enter__`` to ``__exit__``.

    Args:
        tls: certificate and key, for https.
        as_json: pages as PEP 691 has them where the client accepts it; HTML (PEP 503) otherwise.
        as_proxy: status for clients that take this server for their proxy.

    Attributes:
        requests: ``"GET /simple/alpha/"``, in order; a proxy's with the whole URL or with host and port.
    """

    def __init__(self, tls: tuple[Path, Path] | None = None, as_json: bool = True, as_proxy: int = 407) -> None:
        self.as_json = as_json
        self.as_proxy = as_proxy
        self.requests: list[str] = []
        self.wheels: list[Wheel] = []
        self.closing = threading.Event()
        self._faults: dict[str, str] = {}
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.index = self
        self._scheme = "http"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*map(str, tls))
            # The handshake belongs to the request's own thread: a client that breaks it off must not stop the server.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> IndexServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def root(self) -> str:
        """The server's URL, to be used as a proxy."""
        return f"{self._scheme}://localhost:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The index's URL."""
        return f"{self.root}/simple"

    def add(self, name: str, version: str, **details: object) -> Wheel:
        """Offer a wheel; ``details`` as :func:`make_wheel` takes them."""
        wheel = make_wheel(name, version, **details)
        self.wheels.append(wheel)
        return wheel

    def offer_source_only(self) -> None:
        """Offer an archive of sources in place of the last wheel."""
        wheel = self.wheels.pop()
        self.wheels.append(Wheel(wheel.name, wheel.version, f"{wheel.name}-{wheel.version}.tar.gz", wheel.content))

    def fault(self, path: str, fault: str) -> None:
        """From now on every request whose path contains ``path`` meets ``fault``, one of FAULTS, or "" for none."""
        if fault and fault not in FAULTS:
            raise ValueError(f"{fault}: none of {FAULTS}")
        self._faults[path] = fault

    def lock(self, folder: Path, name: str = "lock.txt") -> Path:
        """A requirements file with all wheels and their true hashes."""
        path = folder / name
        path.write_text("".join(wheel.requirement for wheel in self.wheels), encoding="utf-8")
        return path

    def wait_for(self, path: str, seconds: float = 20.0) -> None:
        """Until somebody has asked for a path that contains ``path``."""
        until = time.monotonic() + seconds
        while not any(path in request for request in self.requests):
            assert time.monotonic() < until, f"nobody asked for {path}: {self.requests}"
            time.sleep(0.01)

    def downloads(self) -> set[str]:
        """File names of the wheels that were asked for."""
        return {request.rsplit("/", 1)[-1] for request in self.requests if request.endswith(".whl")}

    def fault_of(self, path: str) -> str:
        """The fault that a request meets."""
        return next((fault for part, fault in reversed(self._faults.items()) if part in path), "")

    def page(self, path: str, accept: str) -> tuple[str, bytes] | None:
        """Content type and bytes of a path; None where there is nothing."""
        parts = [part for part in path.split("/") if part]
        if parts == ["simple"]:
            names = sorted({wheel.name for wheel in self.wheels})
            return "text/html", "".join(f'<a href="{name}/">{name}</a>\n' for name in names).encode()
        if len(parts) == 2 and parts[0] == "simple":
            return self._project_page(parts[1], accept)
        if len(parts) == 2 and parts[0] == "files":
            for wheel in self.wheels:
                if wheel.filename == parts[1]:
                    return "application/zip", wheel.content
        return None

    def _project_page(self, name: str, accept: str) -> tuple[str, bytes] | None:
        wheels = [wheel for wheel in self.wheels if wheel.name == name]
        if not wheels:
            return None
        if self.as_json and JSON_TYPE in accept:
            files = [
                {"filename": wheel.filename, "url": f"/files/{wheel.filename}", "hashes": {"sha256": wheel.sha256}}
                for wheel in wheels
            ]
            return JSON_TYPE, json.dumps({"meta": {"api-version": "1.0"}, "name": name, "files": files}).encode()
        links = "".join(
            f'<a href="/files/{html.escape(wheel.filename)}#sha256={wheel.sha256}">{html.escape(wheel.filename)}</a>\n'
            for wheel in wheels
        )
        return "text/html", f"<!DOCTYPE html><html><body>\n{links}</body></html>".encode()


def closed_port() -> int:
    """A port of the loopback address on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    index: IndexServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *arguments: object) -> None:
        pass

    def _answer(self) -> None:
        index = self.server.index
        index.requests.append(f"{self.command} {self.path}")
        if self.command == "CONNECT" or self.path.startswith("http"):
            self.close_connection = True
            extra = {"Proxy-Authenticate": 'Basic realm="proxy"'} if index.as_proxy == 407 else {}
            self._send(index.as_proxy, "text/plain", b"the proxy refuses\n", extra)
            return
        path = unquote(urlsplit(self.path).path)
        fault, found = index.fault_of(path), index.page(path, self.headers.get("Accept", ""))
        if fault in STATUSES:
            self._send(STATUSES[fault], "text/plain", f"{fault}\n".encode())
        elif fault == "reset":
            # Closing with nothing to linger for sends RST.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif fault == "stall":
            index.closing.wait(60)
            self.close_connection = True
        elif found is None:
            self._send(404, "text/plain", b"not here\n")
        elif fault == "wrong-content":
            # Still a wheel, such as somebody else would have put in its place.
            self._send(200, found[0], make_wheel("alpha", "1.0", code="evil = True\n").content)
        else:
            self._send(200, *found, fault=fault)

    def _send(
        self, status: int, kind: str, content: bytes, extra: dict[str, str] | None = None, fault: str = ""
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(extra or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault in ("cut", "stall-midway"):
            self.wfile.write(content[: len(content) // 2])
            if fault == "stall-midway":
                self.server.index.closing.wait(60)
            self.close_connection = True
        elif fault == "slow":
            for start in range(0, len(content), 256):
                if self.server.index.closing.wait(0.02):
                    return
                self.wfile.write(content[start : start + 256])
        else:
            self.wfile.write(content)


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
