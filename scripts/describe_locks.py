"""Writes requirements/locks.json: which lock serves which platform, with which PyTorch, and how large it is.

The plugin reads it to offer what can be installed. Part of ``make lock``. Downloads are summed from the index's file
sizes, the largest of all Pythons and machines of a platform. With ``--measure`` each lock is really unpacked for each
platform into a temporary folder (up to 7 GB), since no index states how large a package is on disk; without it, the
sizes measured last are kept for locks that have not changed, and are null (unknown) for the others.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lock_files import PROFILES, REQUIREMENTS, digest_of, entries, header
from lock_targets import MACOS, PYTHONS, SOURCE_ONLY, TARGETS, LockError, Target, Wheel, all_wheels, inputs_digest

DESCRIPTION = REQUIREMENTS / "locks.json"
FORMAT = 1
PLATFORMS = ("linux", "darwin", "win32")
# What PyPI's own builds of PyTorch compute on.
ACCELERATORS = {"linux": "cuda", "darwin": "mps", "win32": "cpu"}
MEASURED_WITH = "3.12"
Sizes = dict[str, "int | None"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("uv", type=Path)
    parser.add_argument("--measure", action="store_true", help="unpack each lock to see how large it is")
    options = parser.parse_args(arguments)
    try:
        before = json.loads(DESCRIPTION.read_text(encoding="utf-8"))["locks"] if DESCRIPTION.exists() else []
        described = describe(options.uv.absolute(), before, options.measure)
    except LockError as error:
        print(f"locks.json: {error}", file=sys.stderr)
        return 1
    DESCRIPTION.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    return 0


def describe(uv: Path, before: list[dict[str, Any]], measure: bool) -> dict[str, Any]:
    known = {lock["digest"]: lock["installed_bytes"] for lock in before if lock["torch_file"] is None}
    locks = []
    for profile, file in PROFILES.items():
        lock = REQUIREMENTS / file
        digest = digest_of(lock)
        if measure:
            installed: Sizes = {platform: unpacked_bytes(uv, lock, platform) for platform in PLATFORMS}
        else:
            installed = known.get(digest, dict.fromkeys(PLATFORMS))
        locks.append(
            {
                "id": f"{profile}-default",
                "profile": profile,
                "file": file,
                "torch_file": None,
                "torch_backend": None,
                "digest": digest,
                "accelerators": ACCELERATORS,
                "machines": machines(PLATFORMS),
                "download_bytes": download_bytes(found_wheels(uv, lock)),
                "installed_bytes": installed,
            }
        )
    builds = sorted(REQUIREMENTS.glob("torch-*.txt"))
    locks += [with_torch(build, profile) for build in builds for profile in PROFILES]
    return {
        "format": FORMAT,
        "python": list(PYTHONS),
        "macos": MACOS,
        "build": "build.txt",
        "inputs": inputs_digest(),
        "locks": locks,
    }


def with_torch(build: Path, profile: str) -> dict[str, Any]:
    """A profile with another build of PyTorch. PyTorch's index states no sizes, so they are unknown."""
    stated = header(build)
    backend, platforms = stated["torch-backend"], tuple(stated["platforms"].split())
    return {
        "id": f"{profile}-{backend}",
        "profile": profile,
        "file": PROFILES[profile],
        "torch_file": build.name,
        "torch_backend": backend,
        "digest": digest_of(REQUIREMENTS / PROFILES[profile], build),
        "accelerators": dict.fromkeys(platforms, "cpu" if backend == "cpu" else "cuda"),
        "machines": machines(platforms),
        "download_bytes": dict.fromkeys(platforms),
        "installed_bytes": dict.fromkeys(platforms),
    }


def machines(platforms: Sequence[str]) -> dict[str, list[str]]:
    return {wanted: [machine for platform, machine in TARGETS if platform == wanted] for wanted in platforms}


def found_wheels(uv: Path, lock: Path) -> dict[Target, list[Wheel]]:
    """The wheels of every target.

    Raises:
        LockError: a target has not all of them.
    """
    found = all_wheels(uv, lock)
    wrong = [str(outcome) for outcome in found.values() if isinstance(outcome, LockError)]
    if wrong:
        raise LockError("\n".join(wrong))
    return {target: outcome for target, outcome in found.items() if not isinstance(outcome, LockError)}


def download_bytes(found: dict[Target, list[Wheel]]) -> Sizes:
    """The most that a platform downloads; None where the index does not state the size of every file."""
    largest: Sizes = {}
    for platform in PLATFORMS:
        sizes = [[wheel.size for wheel in wheels] for target, wheels in found.items() if target.platform == platform]
        unknown = any(size is None for row in sizes for size in row)
        largest[platform] = None if unknown else max(sum(size or 0 for size in row) for row in sizes)
    return largest


def unpacked_bytes(uv: Path, lock: Path, platform: str) -> int:
    """Bytes of all files that a lock puts on a platform's disk."""
    target = next(target for of, target in TARGETS.items() if of[0] == platform)
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / lock.name
        requirements.write_text("".join(entry for name, entry in entries(lock) if name not in SOURCE_ONLY))
        unpacked = Path(folder) / "unpacked"
        command = [str(uv), "pip", "install", "--quiet", "--no-config", "--no-deps", "--require-hashes"]
        command += ["--only-binary", ":all:", "--python", sys.executable, "--python-version", MEASURED_WITH]
        command += ["--python-platform", target, "--target", str(unpacked), "--requirements", str(requirements)]
        environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": MACOS}
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise LockError(f"{lock.name} cannot be unpacked for {platform}.\n{done.stderr.strip()}")
        return sum(file.stat().st_size for file in unpacked.rglob("*") if file.is_file() and not file.is_symlink())


if __name__ == "__main__":
    raise SystemExit(main())
