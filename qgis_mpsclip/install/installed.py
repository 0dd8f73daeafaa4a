"""What is installed, and its removal.

Layout of the folder of environments::

    current.json        which environment is in use, written last and at once
    env-1a2b3c4d/       one environment, named after its lock; ``mpsclip.json`` in it says what it was made from
    python/             Pythons that uv downloaded
    uv/0.13.9/uv        uv, where the system had none
    cache/              uv's cache, where the user has no uv
    certificates/       for uv, where the user has added certificate authorities to QGIS
    install.lock        held while an installation or removal runs

``mpsclip.json`` in a folder marks it as made by an installation; other folders of such names are somebody else's.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.authorities import FOLDER as CERTIFICATES
from qgis_mpsclip.install.errors import InstallCancelled, InstallError
from qgis_mpsclip.install.exclusive import exclusive
from qgis_mpsclip.install.in_use import is_in_use, patiently
from qgis_mpsclip.install.locks import digest, read_locks
from qgis_mpsclip.install.own import MARKER, is_own, refuse_foreign, remove_own
from qgis_mpsclip.install.tree import tree_bytes

CURRENT = "current.json"
RECORD = MARKER
REPORT = "doctor.json"  # in an environment that has passed its checks
PREFIX = "env-"
OWN_FOLDERS = ("python", "uv", "cache", CERTIFICATES)
_END_SECONDS = 3  # what an engine that was just asked to end may need


@dataclass(frozen=True)
class InstalledEnvironment:
    """An environment that passed its checks.

    Attributes:
        folder: of the environment itself.
        python: its interpreter.
        lock_digest: what it was made from, as :func:`qgis_mpsclip.install.locks.digest` says it.
        choice_id: id of the lock.
        accelerator: what its PyTorch can use: ``cuda``, ``mps`` or ``cpu``.
        plugin_version: the plugin that installed it.
        created: local time in ISO 8601 with its offset.
    """

    folder: Path
    python: Path
    lock_digest: str
    choice_id: str
    accelerator: str
    plugin_version: str
    created: str


def current(folder: Path) -> InstalledEnvironment | None:
    """The environment in use of the folder of environments; None where there is none, or its Python is gone."""
    try:
        stored = json.loads((folder / CURRENT).read_text(encoding="utf-8"))
        paths = {name: folder / stored.pop(name) for name in ("folder", "python")}  # relative: the folder may be moved
        found = InstalledEnvironment(**paths, **{name: str(value) for name, value in stored.items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if found.python.is_file() else None


def make_current(folder: Path, environment: InstalledEnvironment) -> None:
    """Switches to an environment, at once: whoever reads sees the one before or this one.

    Raises:
        InstallError: of kind ``no-write-access``.
    """
    stored = asdict(environment)
    for name in ("folder", "python"):
        stored[name] = Path(stored[name]).relative_to(folder).as_posix()
    write_json(folder / CURRENT, stored)


def is_outdated(environment: InstalledEnvironment, requirements: Path) -> bool:
    """Whether the locks that came with the plugin have changed since, or no longer have that choice.

    An environment that a newer plugin made, which another QGIS profile may have, is not outdated.
    """
    from qgis_mpsclip.version import plugin_version

    if _numbers(environment.plugin_version) > _numbers(plugin_version()):
        return False
    lock = next((one for one in read_locks(requirements).locks if one.id == environment.choice_id), None)
    return lock is None or digest(lock.file, lock.torch_file) != environment.lock_digest


def old_environments(folder: Path) -> list[Path]:
    """Environments that are not in use: earlier ones, and the beginnings of installations that did not end."""
    used = current(folder)
    return [path for path in _environments(folder) if used is None or path != used.folder]


def remove_environments(environments: list[Path]) -> list[Path]:
    """Deletes environments; returns those that are in use or could not be deleted."""
    return [path for path in environments if is_in_use(path) or not remove_own(path)]


def remove_replaced(folder: Path) -> None:
    """Deletes environments that another one has replaced, as far as no engine runs from them.

    Beginnings that an installation may go on with stay. Where an installation or removal runs, nothing is done.
    """
    if not _replaced(folder):
        return
    until = time.monotonic() + _END_SECONDS
    while any(map(is_in_use, _replaced(folder))) and time.monotonic() < until:
        time.sleep(0.1)
    with contextlib.suppress(InstallError, OSError), exclusive(folder):
        remove_environments(_replaced(folder))


def uninstall(folder: Path, is_cancelled: Callable[[], bool] | None = None) -> None:
    """Deletes what was installed: environments, the Python and the uv that were downloaded, and their cache.

    Indexes, results, models that were fetched, logs and foreign files in the folder stay.

    Raises:
        InstallError: of kind ``busy`` (an installation runs), ``in-use`` (an engine runs; nothing was deleted), or
            ``locked-file`` (some files could not be deleted; a later call deletes the rest).
        InstallCancelled: the rest is deleted by a later call.
    """
    if not folder.is_dir():
        return
    with exclusive(folder):
        environments = _environments(folder)
        used = _still_in_use(environments)
        if used is not None:
            raise InstallError(
                tr("A search engine runs from {folder}.").format(folder=used),
                tr("Wait for its work to end, or close the other QGIS, and uninstall again."),
                "in-use",
            )
        if not _is_foreign(folder / CURRENT):
            with contextlib.suppress(FileNotFoundError):  # first: from now on nobody starts an engine from there
                (folder / CURRENT).unlink()
        for path in [*environments, *(folder / name for name in OWN_FOLDERS)]:
            if is_cancelled is not None and is_cancelled():
                raise InstallCancelled
            if not remove_own(path):
                raise InstallError(
                    tr("Files in {folder} could not be deleted.").format(folder=path),
                    tr("Close other QGIS windows, or start the computer anew, and uninstall again."),
                    "locked-file",
                )
    with contextlib.suppress(OSError):  # something else may lie in it
        folder.rmdir()


def refuse_others(folder: Path) -> None:
    """Refuses a folder of environments where somebody else keeps something under a name that is needed.

    Raises:
        InstallError: of kind ``folder``.
        OSError: it cannot be looked into.
    """
    for name in OWN_FOLDERS:
        refuse_foreign(folder / name)
    if _is_foreign(folder / CURRENT):
        refuse_foreign(folder / CURRENT)


def holds_anything(folder: Path) -> bool:
    """Whether there is anything to uninstall, be it only the beginning of an installation."""
    return bool(_environments(folder)) or bool(_own_folders(folder))


def own_bytes(folder: Path) -> int:
    """Size of all that an uninstallation removes, in bytes; takes a second or two."""
    return tree_bytes(*_environments(folder), *_own_folders(folder))


def _own_folders(folder: Path) -> list[Path]:
    """Less those that somebody has put elsewhere and linked to: a removal leaves these alone."""
    found = [folder / name for name in OWN_FOLDERS]
    return [path for path in found if is_own(path) and not path.is_symlink()]


def _replaced(folder: Path) -> list[Path]:
    if current(folder) is None:
        return []
    return [path for path in old_environments(folder) if (path / REPORT).is_file()]


def _environments(folder: Path) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.name.startswith(PREFIX))
    except OSError:
        return []
    return [path for path in found if is_own(path) and not path.is_symlink()]


def _is_foreign(file: Path) -> bool:
    """Whether a ``current.json`` is sound and yet not one of ours."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return not isinstance(stored, dict) or "lock_digest" not in stored


def _still_in_use(environments: list[Path]) -> Path | None:
    """An environment that an engine runs from, which gets a moment to end."""
    until = time.monotonic() + _END_SECONDS
    while True:
        used = next((path for path in environments if is_in_use(path)), None)
        if used is None or time.monotonic() > until:
            return used
        time.sleep(0.1)


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Replaces a small file at once.

    Raises:
        InstallError: of kind ``no-write-access``.
    """
    new = file.with_name(f"{file.name}.new")
    try:
        new.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        patiently(lambda: new.replace(file))
    except OSError as error:
        raise InstallError(
            tr("{file} cannot be written: {reason}.").format(file=file, reason=error.strerror),
            tr("Check that you may write to the folder, or choose another under Settings ▸ Options ▸ MPS-CLIP."),
            "no-write-access",
        ) from error


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
