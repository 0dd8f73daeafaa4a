"""Reads the locks in requirements/. Standard library only: ``make setup`` needs it before anything is installed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
# What a user may install, as the profile's name and its lock.
PROFILES = {"engine": "engine.txt", "samgeo": "samgeo.txt"}
TORCH_PACKAGES = ("torch", "torchvision")
# What only a CUDA build of PyTorch needs; another build's environment is made without these.
CUDA_ONLY = re.compile(r"^(nvidia-.*|cuda-.*|triton.*)$")


def entries(lock: Path) -> Iterator[tuple[str, str]]:
    """Name and text (marker and hashes included) of each requirement; a name stands once for each of its markers."""
    text = re.sub(r"^ *#.*\n", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        yield re.split(r"[=<>@ \[;]", entry, maxsplit=1)[0].lower(), entry + "\n"


def pins(lock: Path, name: str) -> list[tuple[str, str]]:
    """(version, marker) of each entry of a package; the marker is empty where the version is for every machine."""
    found = [re.match(r"\S+?==([^\s;\\]+)(?: *; *([^\\\n]+))?", entry) for at, entry in entries(lock) if at == name]
    return [(pin[1], (pin[2] or "").strip()) for pin in found if pin]


def needs_torch_build(name: str) -> bool:
    """Whether a package comes from another index, or is not needed, with another build of PyTorch."""
    return name in TORCH_PACKAGES or CUDA_ONLY.match(name) is not None


def header(lock: Path) -> dict[str, str]:
    """What the comments at a lock's beginning state: ``# torch-backend: cpu``."""
    stated = re.findall(r"^# ([\w-]+): (.+)$", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {key: value.strip() for key, value in stated}


def digest_of(*files: Path) -> str:
    return "sha256:" + hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
