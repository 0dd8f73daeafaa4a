"""Makes ``.venv`` from the hash-locked requirements: the work behind ``make setup``. Standard library only.

A stamp in ``.venv`` holds what it was made from (lock, project file, PyTorch build); while it fits, nothing is done. A
``.venv`` without a stamp, made by hand, is brought to the locked versions; packages beyond the lock are left alone.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lock_files import REQUIREMENTS, ROOT, TORCH_PACKAGES, entries, needs_torch_build, pins

VENV = ROOT / ".venv"
STAMP = VENV / "mpsclip-setup.json"
INSTALLER = ROOT / "build" / "installer"
OLDEST_PYTHON = (3, 10)
# Each holds what those before it hold.
PROFILES = {"engine": "engine.txt", "samgeo": "samgeo.txt", "dev": "dev.txt"}
INSTALLED_GB = {"cuda": 6.5, "cpu": 2.0}
# Where a maintainer made it: make lock-torch ACCELERATOR=cpu
CPU_LOCK = REQUIREMENTS / "torch-cpu.txt"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--profile", choices=tuple(PROFILES), default="engine", help="which lock to install")
    parser.add_argument("--torch", choices=("", "cuda", "cpu"), default="", help="the build of PyTorch")
    options = parser.parse_args(arguments)
    if sys.version_info < OLDEST_PYTHON:
        stop(
            f"Python {sys.version.split()[0]} is too old.",
            "Install Python 3.10 or newer and say which: make setup PYTHON=/path/to/python3.12",
        )
    if is_current(options.profile, options.torch):
        return 0
    profile = widest(options.profile)
    lock = REQUIREMENTS / PROFILES[profile]
    torch_build = options.torch or previous_build() or choose_build()
    announce(torch_build)
    uv = installer()
    # The other build of PyTorch has the same version: only a new environment surely holds the one asked for.
    if not venv_python().exists() or previous_build() not in ("", torch_build):
        run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, "--no-python-downloads", VENV])
    STAMP.unlink(missing_ok=True)  # a run that is cut short must not look finished
    install: list[str | Path] = [uv, "pip", "install", "--python", venv_python(), "--no-config"]
    requirements = lock
    if torch_build == "cpu":
        requirements = without_torch(lock)
        # PyTorch's own index for torch and torchvision alone; all that they depend on comes from the lock below.
        run([*install, "--no-deps", "--torch-backend", "cpu", *cpu_torch(lock)])
    # What has to be built, one package on PyPI as source only and this project, is built by the locked build packages.
    install += ["--no-deps", "--build-constraints", REQUIREMENTS / "build.txt"]
    run([*install, "--require-hashes", "--requirements", requirements])
    run([*install, "--quiet", "--editable", ROOT])
    STAMP.write_text(json.dumps(fingerprint(profile, torch_build), indent=1) + "\n", encoding="utf-8")
    print(f"Ready: {executable('mpsclip').relative_to(ROOT)}", flush=True)
    return 0


def is_current(profile: str, torch_build: str) -> bool:
    """Whether ``.venv`` was made from the present lock, or from one that holds more."""
    stamp = read_stamp(STAMP)
    if stamp is None or not executable("mpsclip").exists() or torch_build not in ("", stamp.get("torch")):
        return False
    build = str(stamp.get("torch"))
    wide_enough = list(PROFILES)[list(PROFILES).index(profile) :]
    return any(stamp == fingerprint(have, build) for have in wide_enough)


def widest(profile: str) -> str:
    """The profile asked for, or the one that ``.venv`` has if that holds more: an update takes nothing away."""
    previous = (read_stamp(STAMP) or {}).get("profile", profile)
    return max((name for name in PROFILES if name in (profile, previous)), key=list(PROFILES).index)


def fingerprint(profile: str, torch_build: str) -> dict[str, str]:
    """What an environment depends on."""
    files = (
        REQUIREMENTS / PROFILES[profile],
        REQUIREMENTS / "build.txt",
        ROOT / "pyproject.toml",
        ROOT / "metadata.txt",
        *([CPU_LOCK] if torch_build == "cpu" and CPU_LOCK.exists() else []),
    )
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    return {"profile": profile, "torch": torch_build, "inputs": digest, "root": str(ROOT)}


def read_stamp(file: Path) -> dict[str, str] | None:
    """What an environment was made from; None where nothing says so."""
    try:
        stamp = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stamp if isinstance(stamp, dict) else None


def previous_build() -> str:
    """The build chosen at the last setup: an update of the lock must not turn a CPU environment into a CUDA one."""
    stamp = read_stamp(STAMP) or {}
    return str(stamp.get("torch", ""))


def choose_build() -> str:
    """Asks only where somebody can answer and the answer matters: a terminal on a machine without an NVIDIA driver."""
    if sys.platform != "linux" or shutil.which("nvidia-smi") or not sys.stdin.isatty():
        return "cuda"
    print(f"No NVIDIA driver was found. CUDA build: {INSTALLED_GB['cuda']} GB. CPU build: {INSTALLED_GB['cpu']} GB.")
    return "cpu" if input("Type cpu for the CPU build, or press Enter for CUDA: ").strip().lower() == "cpu" else "cuda"


def announce(torch_build: str) -> None:
    """Says what comes down, before it does.

    On Linux alone PyTorch's default wheels carry CUDA; elsewhere both builds are small.
    """
    size = INSTALLED_GB["cuda" if torch_build == "cuda" and sys.platform == "linux" else "cpu"]
    print(f"Setting up .venv: up to {size} GB on disk, most of it PyTorch ({torch_build} build).")
    if torch_build == "cuda" and sys.platform == "linux":
        print(f"For a machine without an NVIDIA GPU: make setup TORCH=cpu (about {INSTALLED_GB['cpu']} GB).")
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < size and not venv_python().exists():
        stop(f"Only {free:.1f} GB are free at {ROOT}.", f"Free {size} GB, or choose TORCH=cpu.")
    sys.stdout.flush()


def installer() -> Path:
    """uv, from the lock, in an environment of its own below ``build/``."""
    wanted = locked_version(REQUIREMENTS / "build.txt", "uv")
    uv = scripts_folder(INSTALLER) / ("uv.exe" if os.name == "nt" else "uv")
    if uv.exists():
        version = subprocess.run([uv, "--version"], capture_output=True, text=True).stdout
        if version.split()[1:2] == [wanted]:
            return uv
    python = scripts_folder(INSTALLER) / "python"
    install: list[str | Path]
    if importlib.util.find_spec("ensurepip"):
        create = ["-m", "venv", "--clear"]
        install = [python, "-m", "pip"]
    elif importlib.util.find_spec("pip"):
        # Debian keeps ensurepip in python3-venv; its pip can serve another environment.
        create = ["-m", "venv", "--clear", "--without-pip"]
        install = [sys.executable, "-m", "pip", "--python", python]
    else:
        install_venv_package()
        return installer()
    run([sys.executable, *create, INSTALLER])
    only_uv = INSTALLER / "uv.txt"
    only_uv.write_text("".join(entry for name, entry in entries(REQUIREMENTS / "build.txt") if name == "uv"))
    run([*install, "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "-r", only_uv])
    return uv


def install_venv_package() -> None:
    """python3-venv with apt, where this user may; it brings ensurepip."""
    by_hand = "Install pip or venv for this Python (Debian, Ubuntu: apt-get install python3-venv), then run this again."
    tried = "MPSCLIP_SETUP_TRIED_APT"
    if os.environ.get(tried) or not shutil.which("apt-get") or not hasattr(os, "geteuid") or os.geteuid() != 0:
        stop(f"{sys.executable} has neither pip nor ensurepip.", by_hand)
    run(["apt-get", "update", "-qq"])
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3-venv"])
    # A new process: this one has already found that there is no ensurepip.
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, tried: "1"})


def locked_version(lock: Path, name: str) -> str:
    """The pinned version of a package that the lock holds once."""
    versions = pins(lock, name)
    if len(versions) != 1:
        stop(f"{lock.name} holds {name} {len(versions)} times.", "Write the locks anew: make lock")
    return versions[0][0]


def cpu_torch(lock: Path) -> list[str]:
    """What to ask PyTorch's index for: its own lock where there is one, else the versions of the main lock.

    The CPU files are not the main lock's, so no hash of it can fit them.
    """
    if CPU_LOCK.exists():
        return ["--require-hashes", "--requirements", str(CPU_LOCK)]
    versions = [(name, *pin) for name in TORCH_PACKAGES for pin in pins(lock, name)]
    return [f"{name}=={version}" + (f" ; {marker}" if marker else "") for name, version, marker in versions]


def without_torch(lock: Path) -> Path:
    """The lock less PyTorch and CUDA, in ``build/``."""
    kept = [entry for name, entry in entries(lock) if not needs_torch_build(name)]
    path = INSTALLER.parent / f"cpu-{lock.name}"
    path.write_text("".join(kept), encoding="utf-8")
    return path


def scripts_folder(environment: Path) -> Path:
    return environment / ("Scripts" if os.name == "nt" else "bin")


def executable(name: str) -> Path:
    return scripts_folder(VENV) / (f"{name}.exe" if os.name == "nt" else name)


def venv_python() -> Path:
    return executable("python")


def run(command: Sequence[str | Path]) -> None:
    """Runs a command; its failure ends the setup with its own words and status."""
    # A caller's environment variables for Python are not for the environments made here.
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    environment.setdefault("UV_HTTP_TIMEOUT", "120")
    done = subprocess.run([str(word) for word in command], env=environment, cwd=ROOT)
    if done.returncode:
        stop(
            f"Failed: {' '.join(str(word) for word in command)}",
            "The lines above say why. Behind a proxy set HTTPS_PROXY; the same command then goes on from here.",
        )


def stop(problem: str, remedy: str) -> NoReturn:
    print(f"setup: {problem} {remedy}", file=sys.stderr)
    raise SystemExit(1)


if __name__ == "__main__":
    raise SystemExit(main())
