"""Troubles with what an index or a folder of wheels offers: no fitting wheel, changed files, missing packages."""

from __future__ import annotations

import re

from qgis_mpsclip.client.interpreter import engine_folder
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.troubles.log import Log, Rule, Trouble

# How the wheels of the locks are fetched on another machine for this one; uv is in the second lock.
FETCH = "python -m pip download --no-deps --require-hashes --only-binary :all: --dest wheels -r engine.txt -r build.txt"
# This one of samgeo.txt is on the index as source alone.
FETCH_SOURCE = "--no-binary groundingdino-py"


def _changed(log: Log) -> Trouble | None:
    found = log.find(r"Hash mismatch for `(?P<package>[^`]+)`")
    if found is None and not log.find(r"DO NOT MATCH THE HASHES"):
        return None
    package = _words(found["package"]) if found else tr("a package")
    return Trouble(
        "hash-mismatch",
        tr(
            "The file that was offered for {package} is not the one that this plugin was tested with: its checksum"
            " differs. It was not installed."
        ).format(package=package),
        tr(
            "Try again, in case the download was damaged; in a folder of wheels, fetch the file anew. If it stays so,"
            " a proxy or the package index hands out changed files: tell whoever runs it, or choose another index"
            " under Settings ▸ Options ▸ MPS-CLIP."
        ),
    )


def _damaged(log: Log) -> Trouble | None:
    if not log.find(
        r"Invalid zip file|ZIP structure|Bad (?:CRC|(?:un)?compressed size)|BadZipFile|not a zip file|Invalid tar file"
        r"|Invalid gzip"
    ):
        return None
    found = log.find(r"(?P<file>[\w.+-]+\.(?:whl|zip|tar\.gz))") or log.find(r"`(?P<file>[\w.-]+==[^`]+)`")
    return Trouble(
        "hash-mismatch",
        tr("The file {file} is damaged or was cut short.").format(file=found["file"] if found else "?"),
        tr("Try again; in a folder of wheels, fetch the file anew."),
    )


def _no_wheel(log: Log) -> Trouble | None:
    found = log.find(
        r"(?P<package>[\w.-]+==[^\s,]+) has no wheels with a matching"
        r" (?P<what>Python implementation|Python ABI|platform) tag(?: \(e\.g\., `(?P<own>[^`]+)`\))?"
    )
    if found is None:
        return _no_binary(log)
    package, own = _words(found["package"]), found["own"] or ""
    if found["what"] != "platform":
        return Trouble(
            "no-wheel",
            tr("{package} is not made for this Python ({own}).").format(package=package, own=own or log.python),
            tr("Choose Python 3.10, 3.11, 3.12 or 3.13 (64 bit, the ordinary CPython) as base Python, and try again."),
        )
    offered = re.findall(r"`([^`]+)`", log.text[found.end() :].partition("following platform")[2])
    return _wrong_system(package, own, offered)


def _wrong_system(package: str, own: str, offered: list[str]) -> Trouble:
    newer = [tag for tag in offered if _family(tag) == _family(own) and _release(tag) > _release(own)]
    if newer and own.startswith("manylinux"):
        needed = min(map(_release, newer))
        return _old_glibc(package, "{}.{}".format(*needed), "{}.{}".format(*_release(own)))
    if newer and own.startswith("macosx"):
        problem = tr("{package} needs macOS {needed} or newer; this is {own}.").format(
            package=package, needed=min(map(_release, newer))[0], own=_release(own)[0]
        )
        remedy = tr("Update macOS, or use another computer.")
    elif own.startswith("macosx") and own.endswith("x86_64"):
        problem = tr("{package} is not made for Macs with an Intel processor.").format(package=package)
        remedy = tr(
            "If this Mac has an Apple processor, QGIS or the chosen Python is an Intel build: install the one for Apple"
            " silicon. An Intel Mac cannot run the engine; use another computer."
        )
    elif own.startswith("musllinux"):
        problem = tr("{package} is not made for Linux systems with musl, such as Alpine.").format(package=package)
        remedy = tr("Use a system with glibc, such as Debian, Ubuntu or Fedora, or a container of one.")
    elif own in ("win32", "linux_i686") or own.endswith(("_i686", "_armv7l")):
        problem = tr("{package} is not made for 32 bit.").format(package=package)
        remedy = tr("Choose a 64 bit Python as base Python, and try again.")
    else:
        problem = tr("{package} is not made for this system ({own}), only for: {offered}.").format(
            package=package, own=own, offered=", ".join(offered) or "?"
        )
        remedy = tr(
            "If the wheels come from a folder, it was filled for another system: fetch them on one like this. Otherwise"
            " point to an environment that you made yourself, under Settings ▸ Options ▸ MPS-CLIP."
        )
    return Trouble("no-wheel", problem, remedy)


def _no_binary(log: Log) -> Trouble | None:
    found = log.find(
        r"(?P<package>[\w.-]+==[^\s,]+) has no usable wheels|No matching distribution found for (?P<p>\S+)"
    )
    if found is not None:
        return Trouble(
            "no-wheel",
            tr("Nothing that can be installed is offered for {package}: it would have to be built.").format(
                package=_words(found["package"] or found["p"])
            ),
            tr(
                "The package index seems not to hold all files: choose another under Settings ▸ Options ▸ MPS-CLIP, or"
                " choose another Python."
            ),
        )
    found = log.find(r"Python version \(?(?P<own>[\d.]+)\)? does not satisfy Python(?P<wanted>[^\s,]+)")
    if found is None:
        return None
    return Trouble(
        "no-wheel",
        tr("Python {own} does not suit: a package needs Python {wanted}.").format(**found.groupdict()),
        tr("Choose Python 3.10, 3.11, 3.12 or 3.13 (64 bit) as base Python, and try again."),
    )


def _not_in_folder(log: Log) -> Trouble | None:
    found = log.find(r"(?P<package>[\w.-]+) was not found in the provided package locations")
    if found is None:
        return None
    wanted = log.find(rf"you require (?P<pin>{re.escape(found['package'])}==[^\s,]+)")
    return Trouble(
        "wheel-missing",
        tr("The folder of wheels lacks {package}.").format(
            package=_words(wanted["pin"] if wanted else found["package"])
        ),
        tr(
            "Add the file {pattern} to it. All files are fetched on a computer with internet, with the same system and"
            " the same Python version, by copying engine.txt and build.txt from {requirements} to it (for all"
            " segmenters samgeo.txt in engine.txt's place, with {source} after :all:) and running: {command}"
        ).format(
            pattern=_file_pattern(wanted["pin"] if wanted else found["package"]),
            requirements=_requirements(),
            source=FETCH_SOURCE,
            command=FETCH,
        ),
    )


def _no_folder(log: Log) -> Trouble | None:
    found = log.find(r"Failed to read `--find-links` \w+: (?P<path>.+?) (?:cause|Caused by|No such|\(os|$)")
    if found is None:
        return None
    return Trouble(
        "wheel-missing",
        tr("The folder of wheels cannot be read: {path}.").format(path=found["path"]),
        tr("Choose a folder that is there, under Settings ▸ Options ▸ MPS-CLIP."),
    )


def _not_offered(log: Log) -> Trouble | None:
    # An index that refuses or is out of reach has the same words, and a hint that says so.
    if log.find(r"\b40[13]\b|network was disabled"):
        return None
    found = log.find(r"(?P<package>[\w.-]+) was not found in the (?:package registry|cache)") or log.find(
        r"there (?:is|are) no versions? of (?P<package>[\w.-]+(?:==[^\s,]+)?)"
    )
    if found is None:
        found = log.find(r"404 Not Found[^/]*https?://\S*/(?P<package>[^/\s)]+)") or log.find(
            r"https?://\S*/(?P<package>[^/\s)]+)/? - server replied: Not Found"
        )
    if found is None:
        return None
    return Trouble(
        "not-offered",
        tr("The package index does not offer {package}.").format(package=_words(found["package"])),
        tr(
            "An index inside your network may not be complete or up to date: tell whoever runs it, or choose another"
            " under Settings ▸ Options ▸ MPS-CLIP. Remove UV_EXCLUDE_NEWER where it is set."
        ),
    )


def _glibc(log: Log) -> Trouble | None:
    found = log.find(r"version [`'](?P<what>GLIBC|GLIBCXX|CXXABI)_(?P<needed>[\d.]+)' not found")
    if found is None:
        return None
    required = log.find(r"required by (?P<file>[^)]+)\)")
    file = required["file"].replace("\\", "/").rsplit("/", 1)[-1] if required else tr("A library")
    return _old_glibc(file, f"{found['needed']} ({found['what']})", "")


def _old_glibc(what: str, needed: str, own: str) -> Trouble:
    problem = tr("This Linux is too old: {what} needs glibc {needed} or newer.").format(what=what, needed=needed)
    if own:
        problem += " " + tr("Here it is {own}.").format(own=own)
    return Trouble(
        "glibc-too-old",
        problem,
        tr(
            "Use a newer system, such as Debian 11, Ubuntu 22.04, RHEL 9 or later, or a container of one. glibc cannot"
            " be updated by itself. An environment from conda, made by yourself, may work: choose its Python under"
            " Settings ▸ Options ▸ MPS-CLIP."
        ),
    )


def _requirements() -> str:
    folder = engine_folder()
    return str(folder / "requirements") if folder is not None else "engine_src/requirements"


def _words(pin: str) -> str:
    return pin.replace("==", " ").rstrip(".,;")


def _file_pattern(pin: str) -> str:
    name, _, version = pin.rstrip(".,;").partition("==")
    return f"{re.sub('[-_.]+', '_', name)}-{version or '*'}-*.whl"


def _family(tag: str) -> tuple[str, str]:
    """``manylinux_2_28_x86_64`` → ("manylinux", "x86_64")."""
    found = re.fullmatch(r"([a-z]+)_\d+_\d+_(\w+)", tag)
    return (found[1], found[2]) if found else (tag, "")


def _release(tag: str) -> tuple[int, int]:
    """``manylinux_2_28_x86_64`` → (2, 28); (0, 0) where the tag has none."""
    found = re.fullmatch(r"[a-z]+_(\d+)_(\d+)_\w+", tag)
    return (int(found[1]), int(found[2])) if found else (0, 0)


RULES: tuple[Rule, ...] = (
    _changed,
    _damaged,
    _glibc,
    _no_wheel,
    _not_in_folder,
    _no_folder,
    _not_offered,
)
