"""A plugin in small: an engine whose doctor takes a moment, and a lock of wheels that a test's own index serves."""

from __future__ import annotations

import io
import json
import os
import platform
import sys
import zipfile
from pathlib import Path

import pytest

from qgis_mpsclip.install.plan import Choice, InstallOptions, choices
from tests.plugin.support.index_server import IndexServer, Wheel
from tests.plugin.support.real_uv import find_uv

# Healthy means: the locked package is there, and no file "sick" lies beside the engine.
ENGINE = """
import json, os, sys, time
if "--json" in sys.argv:  # what an installation asks for
    assert sys.argv[sys.argv.index("--profile") + 1] == "engine"
if sys.argv[1] == "serve":
    print("serving", flush=True)
    time.sleep(60)
import alpha
if os.path.exists("slow"):
    open("began", "w").close()
    time.sleep(60)
sick = os.path.exists("sick")
finding = {"check": "alpha", "ok": not sick, "detail": "is ill" if sick else alpha.__version__, "remedy": "Rest."}
print(json.dumps({"healthy": not sick, "findings": [finding]}))
sys.exit(1 if sick else 0)
"""
PLATFORMS = ("linux", "darwin", "win32")


class TinyPlugin:
    """Sources and locks in ``folder/engine_src``, environments in ``folder/engines``.

    Attributes:
        index: serves what the lock names.
        folder: of the environments; need not be there.
    """

    def __init__(self, folder: Path, index: IndexServer) -> None:
        self.index = index
        self.engine_src = folder / "engine_src"
        self.requirements = self.engine_src / "requirements"
        self.folder = folder / "engines"
        (self.engine_src / "engine").mkdir(parents=True)
        (self.engine_src / "engine" / "__main__.py").write_text(ENGINE)
        self.requirements.mkdir()
        (self.requirements / "build.txt").write_text("")

    def write_locks(self, torch: bool = False, **changes: object) -> None:
        """Lock all wheels of the index; with ``torch`` those named torch and torchvision from an index of their own."""
        self.index.lock(self.requirements, "engine.txt")
        machines = ["x86_64", "AMD64", "arm64", "aarch64"]
        entry = {
            "id": "engine-default",
            "profile": "engine",
            "file": "engine.txt",
            "torch_file": "torch-cpu.txt" if torch else None,
            "torch_backend": "cpu" if torch else None,
            "accelerators": dict.fromkeys(PLATFORMS, "cpu"),
            "machines": dict.fromkeys(PLATFORMS, machines),
            "download_bytes": dict.fromkeys(PLATFORMS, 1000),
            "installed_bytes": dict.fromkeys(PLATFORMS, 2000),
            **changes,
        }
        python = ".".join(map(str, sys.version_info[:2]))
        described = {"format": 1, "python": [python], "build": "build.txt", "locks": [entry]}
        (self.requirements / "locks.json").write_text(json.dumps(described))

    def choice(self) -> Choice:
        """The only one."""
        return choices(self.requirements)[0]

    def options(self, **changes: object) -> InstallOptions:
        """An installation from the index, based on the Python of these tests."""
        base = Path(getattr(sys, "_base_executable", sys.executable))
        return InstallOptions(
            self.choice(), self.folder, **{"base_python": base, "index_url": self.index.url, **changes}
        )

    def sick(self, is_sick: bool = True) -> None:
        """Whether the doctor finds something from now on."""
        mark = self.engine_src / "sick"
        mark.touch() if is_sick else mark.unlink(missing_ok=True)


def uv_wheel(version: str, program: str) -> Wheel:
    """A wheel for this machine as uv's are, with a program of the test's own."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("uv/__init__.py", "raise SystemExit")
        archive.writestr(f"uv-{version}.data/scripts/uvx", "no")
        archive.writestr(f"uv-{version}.data/scripts/uv", program)
    machine = platform.machine()
    name = f"uv-{version}-py3-none-manylinux_2_17_{machine}.manylinux2014_{machine}.whl"
    return Wheel("uv", version, name, buffer.getvalue())


def ordinary_settings(patch: pytest.MonkeyPatch, programs: Path, with_uv: bool = True) -> None:
    """Nothing of this user's own uv and pip; uv on PATH, or not at all."""
    for name in list(os.environ):
        if name.upper().startswith(("UV_", "PIP_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")):
            patch.delenv(name)
    patch.setenv("UV_NO_CONFIG", "1")
    patch.setenv("UV_HTTP_RETRIES", "0")
    patch.setenv("UV_HTTP_TIMEOUT", "2")
    patch.setenv("UV_PYTHON_DOWNLOADS", "never")
    patch.setenv("PIP_CONFIG_FILE", os.devnull)
    patch.setenv("HOME", str(programs))  # uv is looked for there too
    programs.mkdir(exist_ok=True)
    if with_uv:
        (programs / "uv").symlink_to(find_uv())
    patch.setenv("PATH", os.pathsep.join([str(programs), "/usr/bin", "/bin"]))
