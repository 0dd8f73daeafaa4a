"""The locked uv, run as the installer runs it, but with nothing of the user's own settings."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent.parent
_SETTINGS = ("UV_", "PIP_", "SSL_CERT", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Ran:
    """How a command ended, and all that it wrote."""

    returncode: int
    output: str


def find_uv() -> Path:
    """The uv that ``make setup`` installs from the lock, else one on PATH; skips where there is none."""
    locked = ROOT / "build" / "installer" / "bin" / "uv"
    found = locked if locked.exists() else shutil.which("uv")
    if not found:
        pytest.skip("no uv: make setup")
    return Path(found)


def run(
    arguments: Sequence[str | Path],
    cache: Path,
    environment: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
    program: Path | None = None,
) -> Ran:
    """Run uv, or ``program``; it gives up after one attempt and one second without an answer.

    Args:
        cache: uv's cache.
        prefix: program that runs it, such as :func:`in_namespace` gives.
    """
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_SETTINGS)}
    settings = {
        "UV_CACHE_DIR": str(cache),
        "UV_NO_CONFIG": "1",
        "UV_HTTP_TIMEOUT": "1",
        "UV_HTTP_RETRIES": "0",
        "UV_PYTHON_DOWNLOADS": "never",
    }
    done = subprocess.run(
        [*prefix, str(program or find_uv()), *map(str, arguments)],
        env={**kept, **settings, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
    )
    return Ran(done.returncode, done.stdout)


def in_namespace(script: str, *arguments: str | Path, kind: str = "--mount") -> list[str]:
    """A prefix that first runs a shell script, as root of mounts (``--net``: of a network) that nobody else sees.

    ``$1`` … are the arguments. Skips where the system allows no namespaces.
    """
    for command in (["unshare", kind], ["unshare", kind, "--map-root-user"]):
        if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            whole = f'{script}; shift {len(arguments)}; exec "$@"'
            return [*command, "sh", "-ec", whole, "sh", *map(str, arguments)]
    pytest.skip("the system allows no namespaces (unshare)")


def without_root_rights() -> list[str]:
    """A prefix that takes root's right to write everywhere; nothing for other users."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("the program setpriv is not on PATH")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
