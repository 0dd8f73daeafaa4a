"""Which layers the engine opens by itself, and under which name."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProviderRegistry, QgsRasterLayer


def engine_source(layer: QgsRasterLayer) -> str | None:
    """The file (absolute, links followed) or GDAL name that the engine can open; None: QGIS must render the layer.

    Layers of web services, databases and virtual rasters are rendered, and so are GDAL layers that need credentials or
    options of opening, which a name cannot carry.
    """
    if layer.providerType() != "gdal":
        return None
    parts = QgsProviderRegistry.instance().decodeUri("gdal", layer.source())
    if any(parts.get(name) for name in ("authcfg", "openOptions", "credentialOptions")):
        return None
    return source_path(layer.source()) or None


def source_path(name: str) -> str:
    """A file's name as the engine calls it in its answers; a GDAL name as it is."""
    path = Path(name)
    return str(path.resolve()) if path.exists() else name


def crs_differs(layer: QgsRasterLayer) -> bool:
    """Whether the user gave the layer another CRS than its file has."""
    return layer.crs().isValid() and layer.crs() != layer.dataProvider().crs()
