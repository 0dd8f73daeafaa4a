"""uv, the installer: the user's, else one that is kept from before, else the wheel that the plugin's lock names.

The checks of child processes that are marked here do not apply: no shell is involved, and the program is uv.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import subprocess  # nosec B404
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.locks import hashes
from qgis_mpsclip.install.own import claim
from qgis_mpsclip.install.programs import find_program
from qgis_mpsclip.install.uv_wheel import fetch_wheel, wheel_of_folder

OLDEST = (0, 9)  # --torch-backend, as in requirements/build.in
EXECUTABLE = "uv.exe" if os.name == "nt" else "uv"
_SECONDS = 30  # a first start is read by virus scanners
# Where uv's own installer, cargo and Homebrew put it; programs started from a desktop often lack these in their PATH.
_USUAL = ("~/.local/bin", "~/.cargo/bin", "/opt/homebrew/bin", "/usr/local/bin")


def find_uv(
    folder: Path,
    build_lock: Path,
    wheels: Path | None = None,
    index: str = "",
    is_cancelled: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """uv's executable, which is fetched where there is none.

    Args:
        folder: of the environments; a fetched uv is kept in it.
        build_lock: ``requirements/build.txt``, which names uv's version and its hashes.
        wheels: take uv's wheel from this folder and from nowhere else.
        index: address of a simple index, with a slash at its end.
        on_progress: gets bytes done and in all (0: not known).

    Raises:
        InstallCancelled, InstallError: it cannot be fetched, or is not what the lock names.
    """
    known = users_uv() or kept_uv(folder)
    if known is not None:
        return known
    version, allowed = hashes(build_lock, "uv")
    if not version:
        raise InstallError(
            tr("{file} does not name uv.").format(file=build_lock), tr("Install the plugin again."), "locks"
        )
    if wheels is not None:
        wheel = wheel_of_folder(wheels, version, allowed)
    else:
        wheel = fetch_wheel(index, version, allowed, is_cancelled, on_progress)
    claim(folder / "uv")
    return _unpack(wheel, folder / "uv" / version)


def users_uv() -> Path | None:
    """The user's own uv, if it is new enough."""
    found = find_program(EXECUTABLE, [os.path.expanduser(place) for place in _USUAL])  # noqa: PTH111
    return found if found and version_of(found) >= OLDEST else None


def kept_uv(folder: Path) -> Path | None:
    """The newest uv that an earlier installation fetched, if it is new enough and runs."""
    kept = {version_of(path): path for path in (folder / "uv").glob(f"*/{EXECUTABLE}")}
    newest = max(kept, default=())
    return kept[newest] if newest >= OLDEST else None


def version_of(uv: Path) -> tuple[int, ...]:
    """A uv's version, such as (0, 13, 9); empty where it does not run."""
    try:
        done = subprocess.run(  # nosec B603
            [str(uv), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ()
    found = re.match(r"uv (\d+)\.(\d+)\.(\d+)", done.stdout)
    return tuple(int(number) for number in found.groups()) if found else ()


def _unpack(wheel: bytes, folder: Path) -> Path:
    """Puts the executable of a checked wheel into the folder, at once."""
    target = folder / EXECUTABLE
    folder.mkdir(parents=True, exist_ok=True)
    try:
        archive = zipfile.ZipFile(io.BytesIO(wheel))
        with archive, tempfile.NamedTemporaryFile(dir=folder, delete=False) as new:
            names = archive.namelist()
            name = next(name for name in names if re.fullmatch(rf"[^/]+\.data/scripts/{EXECUTABLE}", name))
            with archive.open(name) as content:
                shutil.copyfileobj(content, new)
        Path(new.name).chmod(stat.S_IRWXU)
        Path(new.name).replace(target)
    except (OSError, StopIteration, zipfile.BadZipFile) as error:
        raise InstallError(
            tr("uv could not be unpacked to {file}: {reason}.").format(file=target, reason=error),
            tr("Check that you may write there and that no virus scanner holds the file, and install again."),
            "no-write-access",
        ) from error
    return target
