"""Builds the plugin's zip for QGIS: the work behind ``make zip``. Standard library only.

    qgis_mpsclip/             the plugin, metadata.txt, LICENSE
    qgis_mpsclip/docs/        the pages that its Help buttons show, with their pictures
    qgis_mpsclip/engine_src/  engine/, resources/, metadata.txt, requirements/: all that the engine's environment needs

The last commit's files go in: uncommitted changes of what is packed are refused, unless ``--working-tree`` asks for
them. Names are sorted, times are the commit's and permissions fixed, so the same commit gives the same bytes. The
plugin repository's rules are held to: one top folder, 25,000,000 bytes, no hidden files, no caches, no programs, and
metadata that it accepts.
"""

from __future__ import annotations

import argparse
import configparser
import hashlib
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = "qgis_mpsclip"
ENGINE = f"{PLUGIN}/engine_src"
LARGEST = 25_000_000
# What a user's engine may be installed from; the locks of development stay at home.
LOCKS = ("requirements/build.txt", "requirements/engine.txt", "requirements/samgeo.txt", "requirements/locks.json")
TORCH_LOCKS = "requirements/torch-*.txt"
PAGES = ("docs/user-guide.md", "docs/processing.md", "docs/compatibility.md", "docs/images")
SINGLE = ("LICENSE", "metadata.txt", "pyproject.toml")
PACKED = (PLUGIN, "engine", "resources", *PAGES, *SINGLE, *LOCKS, TORCH_LOCKS)
METADATA = f"{PLUGIN}/metadata.txt"
REQUIRED_METADATA = (
    "name",
    "description",
    "about",
    "version",
    "qgisMinimumVersion",
    "author",
    "email",
    "tracker",
    "repository",
    "license",
)
LINKS = ("homepage", "tracker", "repository")
# A name in the zip stands below the profile's plugin folder, of which Windows leaves about this much of its 260.
LONGEST_NAME = 120
UNWANTED = re.compile(r"(^|/)(\.|__pycache__|__MACOSX)|\.\.|\.(py[co]|pyd|so|dylib|dll|exe|sh|bat|whl|zip)$")
REGULAR_FILE = 0o100644 << 16
UNIX = 3


class PackagingError(Exception):
    """The tree cannot be packed; the text says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="the zip to write (default: dist/qgis_mpsclip-VERSION.zip)")
    parser.add_argument(
        "--working-tree",
        action="store_true",
        help="for development: pack tracked files as they are now, uncommitted changes included",
    )
    options = parser.parse_args(arguments)
    out: Path = options.out or ROOT / "dist" / f"{PLUGIN}-{version()}.zip"
    part = out.with_name(f"{out.name}.part")
    try:
        if not options.working_tree:
            refuse_changes()
        write_zip(part, list(members()), commit_time())
        size = check(part)
        part.replace(out)
    except PackagingError as error:
        print(f"zip: {error}", file=sys.stderr)
        return 1
    finally:
        part.unlink(missing_ok=True)
    print(f"{out}: {size:,} bytes, sha256 {hashlib.sha256(out.read_bytes()).hexdigest()}")
    return 0


def version() -> str:
    """The version that metadata.txt states."""
    found = re.search(r"^version=(\S+)$", (ROOT / "metadata.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)
    if found is None:
        raise PackagingError("metadata.txt states no version. Write a line version=X.Y.Z into it.")
    return found[1]


def refuse_changes() -> None:
    """A zip of this version with other content than its commit could not be told from the real one.

    Raises:
        PackagingError: tracked files of what is packed differ from the last commit.
    """
    listed = git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=no", "--", *PACKED)
    changed = [entry[3:] for entry in listed.split("\0") if entry]
    if changed:
        named = ", ".join(changed[:8]) + (f" and {len(changed) - 8} more" if len(changed) > 8 else "")
        raise PackagingError(
            f"uncommitted changes in {named}. Commit them, so that the commit says what is in the zip; to try the zip"
            " with them: python3 scripts/make_zip.py --working-tree"
        )


def members() -> Iterator[tuple[str, Path]]:
    """(name in the zip, file) of each member."""
    for name in tracked(PLUGIN):
        # A link in the checkout, and a file with the link's text where git makes no links (Windows).
        yield name, ROOT / "metadata.txt" if name == METADATA else ROOT / name
    for name in tracked(*PAGES):
        yield f"{PLUGIN}/{name}", ROOT / name
    for name in tracked("engine", "resources"):
        yield f"{ENGINE}/{name}", ROOT / name
    yield f"{PLUGIN}/LICENSE", ROOT / "LICENSE"
    yield f"{ENGINE}/metadata.txt", ROOT / "metadata.txt"
    yield f"{ENGINE}/pyproject.toml", ROOT / "pyproject.toml"  # states the oldest versions that will do
    for lock in (*LOCKS, *tracked(TORCH_LOCKS)):
        yield f"{ENGINE}/{lock}", ROOT / lock


def tracked(*folders: str) -> list[str]:
    """Files that git tracks below folders of the checkout; those deleted in the working tree are left out."""
    listed = git("ls-files", "-z", "--", *folders)
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def commit_time() -> int:
    """Seconds since 1970 of the last commit, or SOURCE_DATE_EPOCH where a packager sets it."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct"))


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise PackagingError(f"git {words[0]} failed: {done.stderr.strip()} Build the zip in a git checkout.")
    return done.stdout


def write_zip(out: Path, files: list[tuple[str, Path]], seconds: int) -> None:
    """Writes the members, sorted by name, all with one time (UTC) and the permissions of a regular file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    date = time.gmtime(seconds)[:6]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, file in sorted(files):
            member = zipfile.ZipInfo(name, date)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = UNIX
            member.external_attr = REGULAR_FILE
            archive.writestr(member, file.read_bytes())


def check(out: Path) -> int:
    """Holds the zip to the plugin repository's rules and returns its size in bytes.

    Raises:
        PackagingError: it breaks one.
    """
    size = out.stat().st_size
    if size > LARGEST:
        raise PackagingError(
            f"the zip has {size:,} bytes, and the plugin repository takes {LARGEST:,}. Look for what grew: resources/."
        )
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        for needed in ("__init__.py", "metadata.txt", "LICENSE", "docs/user-guide.md", "engine_src/engine/__main__.py"):
            if f"{PLUGIN}/{needed}" not in names:
                raise PackagingError(f"{needed} is missing in the zip. Does git track it?")
        if archive.read(METADATA) != (ROOT / "metadata.txt").read_bytes():
            raise PackagingError(f"{METADATA} in the zip is not the checkout's metadata.txt. Build the zip anew.")
        check_metadata(archive.read(METADATA).decode("utf-8"))
    check_names(names)
    return size


def check_names(names: Sequence[str]) -> None:
    """Refuses what the plugin repository, Windows or an unzip program would."""
    unwanted = [name for name in names if UNWANTED.search(name)]
    if unwanted:
        raise PackagingError(f"the plugin repository refuses hidden files, caches and programs: {', '.join(unwanted)}.")
    foreign = [name for name in names if not name.isascii() or re.search(r'[<>:"|?*\\]', name)]
    if foreign:
        raise PackagingError(f"not every system can unpack these names: {', '.join(map(ascii, foreign))}. Rename them.")
    long = [name for name in names if len(name) > LONGEST_NAME]
    if long:
        raise PackagingError(f"longer than {LONGEST_NAME} letters, so too long for Windows: {', '.join(long)}.")


def check_metadata(text: str) -> None:
    """Refuses metadata that the plugin repository does: it expands ``%``, and wants links and a version that work."""
    try:
        parser = configparser.ConfigParser()
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(text)
        general = dict(parser["general"])
    except (configparser.Error, KeyError) as error:
        raise PackagingError(f"metadata.txt cannot be read as the plugin repository does: {error}") from error
    missing = [key for key in REQUIRED_METADATA if not general.get(key)]
    if missing:
        raise PackagingError(f"metadata.txt does not state {', '.join(missing)}.")
    if not re.fullmatch(r"\d+\.\d+\.\d+(-?(alpha|beta|rc)\d*)?", general["version"]):
        raise PackagingError(f"metadata.txt: version {general['version']} is not of the form 1.2.3 or 1.2.3-rc1.")
    if "/" in general["author"]:
        raise PackagingError("metadata.txt: the plugin repository takes no slash in author.")
    for key in LINKS:
        link = urlsplit(general.get(key, ""))
        if link.scheme != "https" or "." not in link.netloc or link.netloc.endswith((".example", ".invalid", ".test")):
            raise PackagingError(f"metadata.txt: {key} is no https address: {general.get(key, '')!r}.")


if __name__ == "__main__":
    raise SystemExit(main())
