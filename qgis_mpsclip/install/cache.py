"""uv's cache: the user's, or one of ours, which must not grow with each update."""

from __future__ import annotations

from pathlib import Path

from qgis_mpsclip.install.process import Runner

FOLDER = "cache"


def cache_folder(folder: Path, users_uv: Path | None, chosen: str, runner: Runner) -> Path:
    """A user who has uv has its cache too; others get one beside the environments, which goes when they go.

    Args:
        folder: of the environments.
        chosen: the variable UV_CACHE_DIR; empty: not set.
    """
    if chosen:
        return Path(chosen)
    said = runner.run([users_uv, "cache", "dir"]).stdout.strip() if users_uv is not None else ""
    return Path(said) if said else folder / FOLDER


def replaced_packages(old: list[Path], new: Path) -> list[str]:
    """Names of packages that environments have in another version than a new one, or that it no longer has."""
    kept, had = _packages(new), set().union(*map(_packages, old))
    return sorted({name for name, _ in had - kept})


def forget(uv: Path, packages: list[str], runner: Runner) -> None:
    """Takes packages out of the cache; environments keep their files, which are links to the same content."""
    if packages:
        runner.run([uv, "cache", "clean", *packages])


def _packages(environment: Path) -> set[tuple[str, str]]:
    """Names and versions, from the folders of metadata."""
    folders = [*environment.glob("lib/python*/site-packages"), environment / "Lib" / "site-packages"]
    found = [path.name[: -len(".dist-info")].partition("-") for one in folders for path in one.glob("*.dist-info")]
    return {(name.replace("_", "-").lower(), version) for name, _, version in found}
