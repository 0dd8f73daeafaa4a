"""Methods that the serving process answers itself, each in a thread; none of them loads PyTorch."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Callable
from pathlib import Path

from engine.config import cache_folder
from engine.models.catalogue import DEFAULT_MODEL
from engine.resources import project_version
from engine.types import Json

_PACKAGES = (
    "torch",
    "torchvision",
    "open_clip_torch",
    "rasterio",
    "pyproj",
    "shapely",
    "geopandas",
    "lancedb",
    "numpy",
    "segment-geospatial",
    "transformers",
)


def status(cache: str | None) -> Json:
    """What is installed and where the cache is; devices and loaded models are the dispatcher's to add."""
    from engine.index.folder import IndexFolder

    folder = cache_folder(Path(cache) if cache else None)
    return {
        "engine": project_version(),
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name)) is not None},
        "default_model": DEFAULT_MODEL,
        "cache": str(folder),
        "cache_bytes": _size(folder),
        "free_bytes": IndexFolder(folder).free_bytes(),
        "segmenters": _segmenters(),
    }


def list_models(cache: str | None) -> Json:
    """The catalogue."""
    from engine.models.listing import models_json

    return models_json()


def list_indexes(cache: str | None) -> Json:
    """All indexes in the cache folder."""
    from engine.index.folder import IndexFolder
    from engine.index.listing import indexes_json

    return indexes_json(IndexFolder(Path(cache) if cache else None))


QUICK_HANDLERS: dict[str, Callable[[str | None], Json]] = {
    "status": status,
    "models.list": list_models,
    "index.list": list_indexes,
}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _size(folder: Path) -> int:
    """Bytes of all files below it; what vanishes meanwhile counts nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).stat().st_size
            except OSError:
                continue
    return total


def _segmenters() -> list[Json]:
    from engine.segment.samgeo.readiness import NEEDS, readiness

    rows: list[Json] = [{"id": "relevance", "ready": True, "note": "the retrieval model alone"}]
    for name, needs in NEEDS.items():
        found = readiness(name)
        note = needs.about if found.ready else f"{needs.about}. To get it: {' && '.join(found.remedies())}"
        rows.append({"id": name, "ready": found.ready, "note": note})
    return rows
