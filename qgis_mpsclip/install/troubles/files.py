"""Troubles with files and folders: full, not writable, locked, paths that are too long."""

from __future__ import annotations

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.troubles.log import Log, Rule, Trouble, free_text


def _full(log: Log) -> Trouble | None:
    if log.find(r"disk quota exceeded") or log.find_number((122, 69), (1295,)):
        problem = tr("Your share of the disk (quota) is used up at {path}.")
    elif log.find(r"no space left on device|not enough space on the disk") or log.find_number((28,), (39, 112)):
        problem = tr("The disk is full at {path}.")
    else:
        return None
    path = log.path()
    free = free_text(path)
    problem = problem.format(path=log.place())
    if free:
        problem += " " + tr("Now {free} are free there.").format(free=free)
    return Trouble(
        "disk-full",
        problem,
        tr(
            "Free space there, or choose another folder for the engine under Settings ▸ Options ▸ MPS-CLIP. uv keeps"
            " what it fetches in a cache of its own: ‘uv cache clean’ empties it, and the variable UV_CACHE_DIR puts it"
            " on another disk."
        ),
    )


def _too_long(log: Log) -> Trouble | None:
    if not (log.find(r"file ?name too long") or log.find_number((36, 63), (206,))):
        return None
    return Trouble(
        "path-too-long",
        tr("A path is too long for this system: {path}").format(path=log.place()),
        tr(
            "Choose a folder with a short path for the engine under Settings ▸ Options ▸ MPS-CLIP, such as C:\\mpsclip."
            " Windows allows longer paths once an administrator has set LongPathsEnabled."
        )
        if log.is_windows
        else tr("Choose a folder with a shorter path for the engine under Settings ▸ Options ▸ MPS-CLIP."),
    )


def _locked(log: Log) -> Trouble | None:
    # Windows answers a rename or a removal of a file that a scanner or a running engine holds with 5 as well as 32.
    if log.is_windows:
        held = log.find_number((), (32, 33, 225, 1224, 1920)) or log.find(r"-214702(?:4786|4864|4891)\b")
        moved = log.find(r"failed to (?:rename|remove|persist)|persist temporary file|\.exe\b")
        if not (held or (moved and log.find_number((), (5,)))):
            return None
    elif not (log.find(r"text file busy|device or resource busy") or log.find_number((26, 16), ())):
        return None
    return Trouble(
        "locked-file",
        tr("A file is held by another program: {path}").format(path=log.place()),
        tr(
            "Close other windows of QGIS and programs that use the engine, and try again. A virus scanner holds files"
            " while it looks at them: if it happens again, have the engine's folder and uv's cache left out of its"
            " scans while installing."
        ),
    )


def _not_writable(log: Log) -> Trouble | None:
    read_only = log.find(r"read-only file system") or log.find_number((30,), (19,))
    denied = log.find(r"permission denied|operation not permitted") or log.find_number((13, 1), (5,))
    if not (read_only or denied):
        return None
    problem = (
        tr("{path} is read-only and cannot be written.") if read_only else tr("There is no right to write to {path}.")
    )
    return Trouble(
        "no-write-access",
        problem.format(path=log.place()),
        tr(
            "Choose a folder of your own for the engine under Settings ▸ Options ▸ MPS-CLIP; for uv's cache, the"
            " variable UV_CACHE_DIR names one. Nothing needs an administrator."
        ),
    )


def _too_many(log: Log) -> Trouble | None:
    if not (log.find(r"too many open files") or log.find_number((24,), (4,))):
        return None
    return Trouble(
        "too-many-files",
        tr("This system lets one program open too few files at once."),
        tr(
            "Raise the limit (ulimit -n 4096, then start QGIS from the same terminal), or set the variables"
            " UV_CONCURRENT_DOWNLOADS and UV_CONCURRENT_INSTALLS to 2 under Settings ▸ Options ▸ System ▸ Environment."
        ),
    )


# Apart, because a full disk shows in many other ways as well.
FULL: tuple[Rule, ...] = (_full,)
RULES: tuple[Rule, ...] = (_too_long, _too_many, _locked, _not_writable)
