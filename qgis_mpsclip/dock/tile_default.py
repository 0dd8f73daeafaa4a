"""The tile size that suits the ground resolution of what is searched."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsRasterLayer

from qgis_mpsclip.rendering.plan import ground_resolution

SIDE = 224
"""Pixels a side of what the models look at."""
FINE, COARSE = 0.3, 3.0
"""Metres a pixel between which the packaged model learned; tiles of SIDE pixels suit them."""
LEAST_SIDE = 64
_ALIKE = 1.1


def automatic_tile(layers: list[QgsRasterLayer], resolution: float | None = None) -> str:
    """The option ``tile`` for layers that are searched together.

    Finer rasters get tiles as wide as those of FINE pixels, coarser ones as those of COARSE pixels, but of at least
    LEAST_SIDE pixels. Rasters of different resolutions are cut in metres, so that their tiles show equally much ground.

    Args:
        resolution: metres a pixel of layers that are rendered; those that are files have their own.
    """
    sizes = [resolution or ground_resolution(layer) for layer in layers]
    known = [size for size in sizes if size]
    if not known or len(known) < len(sizes):
        return f"{SIDE}px"  # metres cannot be measured on all of them
    finest, coarsest = min(known), max(known)
    if coarsest <= finest * _ALIKE and FINE <= finest <= COARSE:
        return f"{SIDE}px"
    side = SIDE * min(max(coarsest, FINE), COARSE)
    return f"{max(side, LEAST_SIDE * coarsest):.4g}m"


def tile_in_words(tile: str, resolution: float | None) -> dict[str, Any]:
    """``pixels`` and ``metres`` of a tile as numbers for people; None where they are unknown."""
    value = float(tile.rstrip("pxm"))
    if tile.endswith("px"):
        return {"pixels": round(value), "metres": value * resolution if resolution else None}
    return {"pixels": round(value / resolution) if resolution else None, "metres": value}
