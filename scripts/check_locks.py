"""Fails where the locks do not fit the project, or where a platform or Python would have to build a package itself.

Part of ``make test``. Nothing is installed: uv resolves each lock that a user may install for Linux, macOS and Windows
with Python 3.10 to 3.13, from wheels alone (``SOURCE_ONLY`` in lock_targets.py names the exceptions). It asks the
package index, so what was found in order is remembered in ``build/`` until a lock changes.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from describe_locks import with_torch
from lock_files import PROFILES, REQUIREMENTS, ROOT, TORCH_PACKAGES, digest_of, entries, header, pins
from lock_targets import PYTHONS, SOURCE_ONLY, TARGETS, LockError, all_wheels, inputs_digest
from lock_torch import PLATFORMS, TorchLockError, platforms_of
from setup_env import installer

FOUND_IN_ORDER = ROOT / "build" / "locks-checked.json"
HOST_OR_FOLDER = re.compile(r"://|find-links|index-url|^--|^-e |^-f | @ ")
MAKE_LOCK = "Write the locks anew: make lock"
MAKE_TORCH_LOCK = "Write it anew: make lock-torch"
PLATFORM = re.compile(r"sys_platform == '(\w+)'")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--uv", type=Path, help="default: the one that make setup installs")
    parser.add_argument("--lock", type=Path, help="look for the wheels of this lock alone")
    options = parser.parse_args(arguments)
    uv = (options.uv or installer()).absolute()
    wrong = [] if options.lock else [*not_described(), *(line for lock in locks() for line in malformed(lock))]
    wrong += without_wheels(uv, [options.lock] if options.lock else [REQUIREMENTS / name for name in PROFILES.values()])
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def locks() -> list[Path]:
    return sorted(REQUIREMENTS.glob("*.txt"))


def not_described() -> Iterator[str]:
    """What locks.json says otherwise than the files do."""
    described = json.loads((REQUIREMENTS / "locks.json").read_text(encoding="utf-8"))
    if described["inputs"] != inputs_digest():
        yield f"pyproject.toml or requirements/*.in is not what the locks were made from. {MAKE_LOCK}"
    installable = {REQUIREMENTS / name for name in PROFILES.values()} | set(REQUIREMENTS.glob("torch-*.txt"))
    named = set()
    for lock in described["locks"]:
        files = [REQUIREMENTS / name for name in (lock["file"], lock["torch_file"]) if name]
        missing = [file.name for file in files if not file.exists()]
        if missing or digest_of(*files) != lock["digest"]:
            yield f"locks.json: {lock['id']} is not of {' and '.join(file.name for file in files)}. {MAKE_LOCK}"
        elif len(files) > 1 and is_headed(files[1]):
            expected = {**with_torch(files[1], lock["profile"]), "digest": lock["digest"]}
            other = [key for key in expected if lock.get(key) != expected[key]]
            if other:
                said = f"{lock['id']} does not state {', '.join(other)} as {lock['torch_file']} does."
                yield f"locks.json: {said} {MAKE_LOCK}"
        named |= set(files)
    for file in sorted(installable - named):
        yield f"locks.json does not name {file.name}. {MAKE_LOCK}"
    has = {(lock["profile"], lock["torch_file"]) for lock in described["locks"]}
    for build in (None, *sorted({file for _, file in has if file})):
        for profile in sorted(PROFILES.keys() - {profile for profile, file in has if file == build}):
            yield f"locks.json has no {profile} with {build or 'the default build of PyTorch'}. {MAKE_LOCK}"


def malformed(lock: Path) -> Iterator[str]:
    """Lines that name a host or a folder, entries without version or hash, and a PyTorch other than the engine's."""
    for number, line in enumerate(lock.read_text(encoding="utf-8").splitlines(), start=1):
        if HOST_OR_FOLDER.search(line):
            yield f"{lock.name}:{number} names a host or a folder: {line.strip()}"
    for name, entry in entries(lock):
        if "==" not in entry or "--hash=sha256:" not in entry:
            yield f"{lock.name}: {name} has no version or no hash. {MAKE_LOCK}"
    if lock.name.startswith("torch-"):
        yield from wrong_torch(lock)


def wrong_torch(lock: Path) -> Iterator[str]:
    """How a lock of another build of PyTorch differs from what ``make lock-torch`` writes for the engine's lock."""
    platforms = header(lock).get("platforms", "").split()
    if not is_headed(lock):
        yield f"{lock.name} does not begin with its torch-backend and platforms. {MAKE_TORCH_LOCK}"
    else:
        try:
            platforms_of(lock.stem.removeprefix("torch-"), platforms)
        except TorchLockError as error:
            yield f"{lock.name}: {error}"
        unknown = sorted(set(platforms) - set(PLATFORMS))
        if unknown:
            yield f"{lock.name} is for {', '.join(unknown)}; other builds are for {' and '.join(PLATFORMS)} alone."
    for name, entry in entries(lock):
        # Without its platform's name an entry would replace the engine's own PyTorch everywhere.
        if set(PLATFORM.findall(entry)) != set(platforms):
            yield f"{lock.name}: {name} is not for {' and '.join(platforms)} as the file states. {MAKE_TORCH_LOCK}"
    for name in TORCH_PACKAGES:
        own = {version.split("+")[0] for version, _ in pins(lock, name)}
        engine = {version for version, _ in pins(REQUIREMENTS / PROFILES["engine"], name)}
        if own != engine:
            yield f"{lock.name} holds {name} {', '.join(sorted(own)) or 'not at all'}, engine.txt {', '.join(engine)}."
    others = sorted({name for name, _ in entries(lock)} - {*TORCH_PACKAGES})
    if others:
        yield f"{lock.name} holds {', '.join(others)}; PyTorch's index is for {' and '.join(TORCH_PACKAGES)} alone."


def is_headed(lock: Path) -> bool:
    """Whether a lock of another build of PyTorch says what its name says, and for which platforms it is."""
    stated = header(lock)
    return stated.get("torch-backend") == lock.stem.removeprefix("torch-") and bool(stated.get("platforms"))


def without_wheels(uv: Path, files: list[Path]) -> Iterator[str]:
    """Each platform and Python that lacks a wheel of a lock, with the package's name."""
    asked_for = json.dumps([[*map(str, TARGETS)], PYTHONS, sorted(SOURCE_ONLY), [digest_of(file) for file in files]])
    if FOUND_IN_ORDER.exists() and FOUND_IN_ORDER.read_text(encoding="utf-8") == asked_for:
        return
    in_order = True
    for file in files:
        for outcome in all_wheels(uv, file).values():
            if isinstance(outcome, LockError):
                in_order = False
                yield str(outcome)
    if in_order:
        FOUND_IN_ORDER.parent.mkdir(exist_ok=True)
        FOUND_IN_ORDER.write_text(asked_for, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
