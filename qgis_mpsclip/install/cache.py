"""uv's cache: the user's, or one of ours, which must not grow with each update."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from qgis_mpsclip.install.in_use import remove_tree
from qgis_mpsclip.install.process import Runner
from qgis_mpsclip.install.tree import tree_bytes

FOLDER = "cache"
Package = tuple[str, str]  # normalised name, version


def cache_folder(folder: Path, users_uv: Path | None, chosen: str, runner: Runner) -> Path:
    """A user who has uv has its cache too; others get one beside the environments, which goes when they go.

    Args:
        folder: of the environments.
        chosen: the variable UV_CACHE_DIR; a path that is not absolute would lead elsewhere from each folder, and into
            the environment: it is passed over.
    """
    if Path(chosen).is_absolute():
        return Path(chosen)
    said = runner.run([users_uv, "cache", "dir"]).stdout.strip() if users_uv is not None and not chosen else ""
    return Path(said) if said else folder / FOLDER


def replaced_packages(old: list[Path], new: Path) -> list[str]:
    """Names of packages that environments have in another version than a new one, or that it no longer has."""
    kept, had = _packages(new), set().union(*map(_packages, old))
    return sorted({name for name, _ in had - kept})


def forget(uv: Path, packages: list[str], runner: Runner) -> None:
    """Takes packages out of the cache; environments keep their files, which are links to the same content."""
    if packages:
        runner.run([uv, "cache", "clean", *packages])


def cached_bytes(cache: Path, wanted: set[Package]) -> int:
    """Size of what the cache has of some packages, unpacked; takes a second where it is large.

    uv keeps each unpacked wheel in a folder ``archive-v0/ID``. Downloads that were cut short are not among them.
    """
    sizes: dict[Package, int] = {}
    for archive in cache.glob("archive-v*/*"):
        for package in wanted.intersection(_metadata(archive)):
            sizes[package] = max(sizes.get(package, 0), tree_bytes(archive))
    return sum(sizes.values())


def doubles(folder: Path, link_mode: str, platform: str = sys.platform) -> bool:
    """Whether uv copies files from a cache on the same disk, instead of linking or cloning them.

    Args:
        folder: of the environments; there.
        link_mode: the variable UV_LINK_MODE; empty: not set.
    """
    if link_mode == "copy" or (link_mode == "clone" and platform != "darwin"):  # few other disks can clone
        return True
    with tempfile.TemporaryDirectory(dir=folder) as made:
        file = Path(made, "file")
        file.touch()
        try:
            os.link(file, Path(made, "link"))
        except OSError:
            return True
    return False


def drop_unfinished(cache: Path) -> None:
    """Deletes what downloads that were cut short have left; only where no uv uses the cache."""
    for left in cache.glob(".tmp*"):
        remove_tree(left)


def _packages(environment: Path) -> set[Package]:
    folders = [*environment.glob("lib/python*/site-packages"), environment / "Lib" / "site-packages"]
    return {package for one in folders for package in _metadata(one)}


def _metadata(folder: Path) -> set[Package]:
    """Names and versions, from the folders of metadata."""
    found = [path.name[: -len(".dist-info")].partition("-") for path in folder.glob("*.dist-info")]
    return {(re.sub("[-_.]+", "-", name).lower(), version) for name, _, version in found}
