"""The packages that the engine cannot do without, and whether they are the lock's."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from pathlib import Path

from engine.diagnose.finding import Seen
from engine.diagnose.remedies import INSTALL_AGAIN
from engine.errors import EngineError, MissingDependencyError
from engine.resources import project_path

# Distribution to a module of it that loads its compiled parts; those that others need come first.
PACKAGES = {
    "numpy": "numpy",
    "pydantic": "pydantic",
    "scipy": "scipy.ndimage",
    "pillow": "PIL.Image",
    "scikit-image": "skimage.segmentation",
    "shapely": "shapely",
    "pyproj": "pyproj",
    "rasterio": "rasterio.features",
    "pyogrio": "pyogrio",
    "geopandas": "geopandas",
    "pyarrow": "pyarrow",
    "lancedb": "lancedb",
    "torch": "torch",
    "torchvision": "torchvision.ops",
    "safetensors": "safetensors.torch",
    "tokenizers": "tokenizers",
    "open_clip_torch": "open_clip",
}


def look_at_package(name: str) -> Seen:
    """Imports a package of :data:`PACKAGES` and compares its version with the lock's.

    Raises:
        MissingDependencyError: it, or something that it needs, is not installed.
        Exception: whatever the import raises.
    """
    try:
        importlib.import_module(PACKAGES[name])
    except ModuleNotFoundError as error:
        own = (error.name or "").split(".")[0] == PACKAGES[name].split(".")[0]
        problem = "It is not installed." if own else f"It needs {error.name}, which is not installed."
        raise MissingDependencyError(problem, INSTALL_AGAIN) from error
    version = importlib.metadata.version(name)
    locked = locked_versions().get(canonical(name), set())
    if locked and version.partition("+")[0] not in locked:
        advice = f"It was tested with {' or '.join(sorted(locked))}. If something fails: {INSTALL_AGAIN}"
        return Seen(version, advice)
    return Seen(version)


def look_at_lock() -> Seen:
    """Compares all installed packages with the lock.

    Raises:
        EngineError: a package that the lock holds for every system is missing.
    """
    locked = locked_versions()
    if not locked:
        return Seen("no lock comes with this installation")
    present = {canonical(found.name): found.version for found in importlib.metadata.distributions() if found.name}
    missing = sorted(name for name in locked if name not in present and name not in conditional_packages())
    if missing:
        raise EngineError(f"Not installed: {', '.join(missing)}.", INSTALL_AGAIN)
    other = [
        f"{name} {present[name]} instead of {' or '.join(sorted(versions))}"
        for name, versions in sorted(locked.items())
        if name in present and present[name].partition("+")[0] not in versions
    ]
    count = len(locked.keys() & present.keys())
    if other:
        return Seen(f"{count} of the lock's; {', '.join(other)}", f"If something fails: {INSTALL_AGAIN}")
    return Seen(f"{count} of the lock's, all at its versions")


def locked_versions() -> dict[str, set[str]]:
    """Canonical name to version, or versions where the lock has one for each of several systems; empty: no lock."""
    found: dict[str, set[str]] = {}
    for name, version, _ in _entries():
        found.setdefault(name, set()).add(version.partition("+")[0])
    return found


def conditional_packages() -> set[str]:
    """Names that the lock holds for some systems or some builds of PyTorch only."""
    return {name for name, _, marker in _entries() if marker}


def canonical(name: str) -> str:
    """The form in which indexes compare names of packages."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _entries() -> list[tuple[str, str, str]]:
    """(name, version, marker) of each line of the lock that names a package."""
    lock: Path = project_path("requirements", "engine.txt")
    try:
        text = lock.read_text(encoding="utf-8")
    except OSError:
        return []
    lines = re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)[ \t]*(?:;[ \t]*([^\\\n]*))?", text, flags=re.MULTILINE)
    return [(canonical(name), version, marker.strip()) for name, version, marker in lines]
