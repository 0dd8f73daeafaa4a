"""uv's wheel: found in a simple index or a folder, fetched through QGIS's network, and held to the lock's hashes."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.device import machine
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.fetch import fetch

_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
_JSON = "application/vnd.pypi.simple.v1+json"


def fetch_wheel(
    index: str,
    version: str,
    allowed: frozenset[str],
    is_cancelled: Callable[[], bool],
    on_progress: Callable[[int, int], None],
) -> bytes:
    """The wheel for this platform from a simple index.

    Args:
        index: address with a slash at its end; it may hold a login.
        allowed: hexadecimal SHA-256 of the files that the lock names.

    Raises:
        InstallCancelled: ``is_cancelled`` returned true.
        InstallError: the index cannot be reached, has no such wheel, or sends another file.
    """
    base, login = without_login(urljoin(index, "uv/"))
    page, kind, base = fetch(base, login, _ACCEPT, is_cancelled)
    is_json = kind.startswith(_JSON) or page.lstrip().startswith(b"{")
    links = json_links(page, base) if is_json else html_links(page, base)
    url = next((url for name, url in links.items() if is_suitable(name, version)), None)
    if url is None:
        raise InstallError(
            tr("{index} has no uv {version} for {platform}, {machine}.").format(
                index=base, version=version, platform=sys.platform, machine=machine()
            ),
            tr("Install uv yourself, such that it is found on PATH, and install again."),
            "no-wheel",
        )
    url = urldefrag(url)[0]
    content, _, _ = fetch(url, login if _same_host(url, base) else "", "*/*", is_cancelled, on_progress)
    return checked(content, url, allowed)


def wheel_of_folder(folder: Path, version: str, allowed: frozenset[str]) -> bytes:
    """The wheel for this platform from a folder.

    Raises:
        InstallError: there is none, or it is not the one that the lock names.
    """
    try:
        found = [path for path in sorted(folder.iterdir()) if is_suitable(path.name, version)]
        if found:
            return checked(found[0].read_bytes(), str(found[0]), allowed)
    except OSError as error:
        raise InstallError(
            tr("{folder} cannot be read: {reason}.").format(folder=folder, reason=error.strerror),
            tr("Choose the folder of wheels again."),
            "no-wheel",
        ) from error
    raise InstallError(
        tr("{folder} has no uv {version} for {platform}, {machine}.").format(
            folder=folder, version=version, platform=sys.platform, machine=machine()
        ),
        tr("Put uv's wheel into the folder, or install uv yourself, such that it is found on PATH."),
        "no-wheel",
    )


def checked(content: bytes, source: str, allowed: frozenset[str]) -> bytes:
    """``content``, which is one of the files that the lock names.

    Raises:
        InstallError: of kind ``hash-mismatch``.
    """
    found = hashlib.sha256(content).hexdigest()
    if found not in allowed:
        raise InstallError(
            tr("{source} is not the file that the plugin names: its SHA-256 is {hash}.").format(
                source=source, hash=found
            ),
            tr("Nothing of it was used. Try again later or with another package index; if it stays so, report it."),
            "hash-mismatch",
        )
    return content


def is_suitable(name: str, version: str) -> bool:
    """Whether a file is uv's wheel of a version for this machine."""
    found = re.fullmatch(rf"uv-{re.escape(version)}-py3-none-([\w.]+)\.whl", name)
    return found is not None and any(_fits(tag) for tag in found.group(1).split("."))


def json_links(page: bytes, base: str) -> dict[str, str]:
    """Names and absolute addresses of the files of an index page in JSON form (PEP 691); none where it is not one."""
    try:
        return {entry["filename"]: urljoin(base, entry["url"]) for entry in json.loads(page)["files"]}
    except (ValueError, KeyError, TypeError):
        return {}


def html_links(page: bytes, base: str) -> dict[str, str]:
    """Names and absolute addresses of the files of an index page in HTML form (PEP 503)."""
    parser = _Links()
    parser.feed(page.decode("utf-8", errors="replace"))
    urls = [urljoin(base, link) for link in parser.links]
    return {unquote(urlsplit(url).path.rpartition("/")[2]): url for url in urls}


def without_login(url: str) -> tuple[str, str]:
    """An address without its login, and the login as ``user:password``, empty where there is none."""
    parts = urlsplit(url)
    login, at, place = parts.netloc.rpartition("@")
    return (urlunsplit(parts._replace(netloc=place)), unquote(login)) if at else (url, "")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _same_host(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    return (first.scheme, first.netloc) == (second.scheme, second.netloc)


def _fits(tag: str) -> bool:
    """Whether a platform tag of a wheel is this machine's; uv's binaries run on all systems of the last ten years."""
    architecture = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine().lower(), machine().lower())
    if os.name == "nt":
        return tag == {"x86_64": "win_amd64", "aarch64": "win_arm64", "x86": "win32"}.get(architecture)
    if sys.platform == "darwin":
        return tag.startswith("macosx_") and tag.endswith("arm64" if architecture == "aarch64" else architecture)
    kind = "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux"
    return tag.startswith(kind) and tag.endswith(f"_{architecture}")
