"""Installs QGIS where it is missing and makes ``.venv-qgis`` for the plugin's tests. Standard library only.

QGIS comes from Debian's backports: the suite is added with the addresses that this machine's own apt sources have.
Elsewhere the script says what to install. ``.venv-qgis`` sees the packages of QGIS's Python and adds pytest,
pytest-qgis and flake8-qgis from ``requirements/qgis.txt``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lock_files import REQUIREMENTS, ROOT
from setup_env import installer, read_stamp, run, scripts_folder, stop

VENV = ROOT / ".venv-qgis"
STAMP = VENV / "mpsclip-setup.json"
LOCK = REQUIREMENTS / "qgis.txt"
OLDEST_QGIS = 34000
# Debian's QGIS packages are built for Debian's Python alone, whatever python3 comes first on PATH.
DEBIAN_PYTHON = "/usr/bin/python3"
PACKAGES = ("qgis", "python3-qgis", "qgis-providers")
# Windows without a screen, fonts to write their words with, and Qt's reader of SVG icons.
TEST_PACKAGES = ("xvfb", "fonts-dejavu-core", "fonts-open-sans", "libqt5svg5")
SOURCES = Path("/etc/apt/sources.list.d/mpsclip-backports.sources")
BY_HAND = (
    "Install QGIS 3.40 or newer with its Python bindings (https://qgis.org/download), and where QGIS's Python is not "
    f"{DEBIAN_PYTHON}, name it: MPSCLIP_QGIS_PYTHON=/path/to/python3. The engine alone: make test-engine"
)


def main() -> int:
    python = qgis_python()
    if python is None or missing_programs():
        install_qgis()
        python = qgis_python()
        if python is None:
            stop(f"QGIS was installed, but {DEBIAN_PYTHON} does not import it.", BY_HAND)
    if read_stamp(STAMP) == fingerprint(python):
        return 0
    uv = installer()
    run([uv, "venv", "--quiet", "--clear", "--system-site-packages", "--no-python-downloads", "--python", python, VENV])
    install: list[str | Path] = [uv, "pip", "install", "--quiet", "--no-config", "--python", venv_python(), "--no-deps"]
    run([*install, "--require-hashes", "--requirements", LOCK])
    STAMP.write_text(json.dumps(fingerprint(python), indent=1) + "\n", encoding="utf-8")
    print(f"Ready: {venv_python().relative_to(ROOT)} with QGIS {qgis_version(python)}", flush=True)
    return 0


def qgis_python() -> str | None:
    """The Python that imports a QGIS new enough: the one named by the user, else Debian's."""
    named = os.environ.get("MPSCLIP_QGIS_PYTHON")
    if named and qgis_version(named) < OLDEST_QGIS:
        stop(f"MPSCLIP_QGIS_PYTHON ({named}) does not import QGIS 3.40 or newer.", "Name another Python, or none.")
    python = named or DEBIAN_PYTHON
    return python if qgis_version(python) >= OLDEST_QGIS else None


def qgis_version(python: str) -> int:
    """QGIS's version as a number (34006 for 3.40.6); 0 where this Python does not import it."""
    # A caller's environment variables for Python belong to another one.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment["QT_QPA_PLATFORM"] = "offscreen"
    ask = [python, "-c", "from qgis.core import Qgis; print(Qgis.QGIS_VERSION_INT)"]
    try:
        answer = subprocess.run(ask, capture_output=True, text=True, env=environment)
    except OSError:
        return 0
    last = answer.stdout.split()[-1:]
    return int(last[0]) if answer.returncode == 0 and last and last[0].isdigit() else 0


def missing_programs() -> bool:
    """Whether Debian's QGIS lacks its headless runner or the display that the pictures need."""
    if os.environ.get("MPSCLIP_QGIS_PYTHON"):
        return False
    return not all(shutil.which(name) for name in ("qgis", "qgis_process", "Xvfb"))


def install_qgis() -> None:
    """QGIS from the backports of this Debian; stops with what to do where that is not possible."""
    suite = backports_suite()
    if not suite:
        stop("QGIS 3.40 was not found, and this is no Debian 12 that could bring it.", BY_HAND)
    if os.geteuid() != 0:
        command = f"sudo {sys.executable} {Path(__file__).relative_to(ROOT)}"
        stop("QGIS 3.40 was not found, and only root can install it.", f"Run: {command}. Or: {BY_HAND}")
    if not any(re.search(rf"\b{suite}\b", text) for text in apt_sources()):
        SOURCES.write_text(backports_source(suite), encoding="utf-8")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    print(f"Installing QGIS from {suite}: about 1.5 GB on disk.", flush=True)
    run(["apt-get", "update", "-qq"])
    quiet = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"]
    run([*quiet, "-t", suite, *PACKAGES])
    run([*quiet, *TEST_PACKAGES])


def backports_suite() -> str:
    """``bookworm-backports`` on Debian 12; empty elsewhere, where nobody has tried it."""
    try:
        release = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return ""
    values = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    debian = values.get("ID", "").strip('"') == "debian" and values.get("VERSION_CODENAME") == "bookworm"
    return "bookworm-backports" if debian and shutil.which("apt-get") else ""


def apt_sources() -> list[str]:
    """The text of each apt source in use."""
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    used = [path for path in files if path.is_file() and path.suffix in (".list", ".sources")]
    return [path.read_text(encoding="utf-8") for path in used]


def backports_source(suite: str) -> str:
    """An apt source for the backports at the address, and with the key, of the suite they belong to."""
    release = suite.removesuffix("-backports")
    for text in apt_sources():
        for paragraph in re.split(r"\n\s*\n", text):
            fields = dict(re.findall(r"^(URIs|Suites|Signed-By): *(.+)$", paragraph, flags=re.MULTILINE))
            if release in fields.get("Suites", "").split():
                signed = f"Signed-By: {fields['Signed-By']}\n" if "Signed-By" in fields else ""
                return f"Types: deb\nURIs: {fields['URIs']}\nSuites: {suite}\nComponents: main\n{signed}"
        line = re.search(rf"^deb +(?:\[([^\]]*)\] +)?(\S+) +{release} ", text, flags=re.MULTILINE)
        if line:
            key = re.search(r"signed-by=(\S+)", line[1] or "")
            signed = f"Signed-By: {key[1]}\n" if key else ""
            return f"Types: deb\nURIs: {line[2]}\nSuites: {suite}\nComponents: main\n{signed}"
    return stop(f"No apt source for {release} was found to add {suite} beside.", BY_HAND)


def fingerprint(python: str) -> dict[str, str]:
    """What ``.venv-qgis`` depends on."""
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    return {"python": python, "qgis": str(qgis_version(python)), "lock": lock, "root": str(ROOT)}


def venv_python() -> Path:
    return scripts_folder(VENV) / ("python.exe" if os.name == "nt" else "python")


if __name__ == "__main__":
    raise SystemExit(main())
