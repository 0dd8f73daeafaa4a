"""The tile size that suits the ground resolution of what is searched."""

from __future__ import annotations

from qgis.core import QgsRasterLayer
from qgis.PyQt.QtCore import QLocale

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.rendering.plan import DEFAULT_RESOLUTION, ground_resolution
from qgis_mpsclip.rendering.sources import engine_source

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
        resolution: metres a pixel that was chosen for layers that are rendered; files have their own.
    """
    sizes = [_pixel(layer, resolution) for layer in layers]
    known = [size for size in sizes if size]
    if not known or len(known) < len(sizes):
        return f"{SIDE}px"  # metres cannot be measured on all of them
    finest, coarsest = min(known), max(known)
    if coarsest <= finest * _ALIKE and FINE <= finest <= COARSE:
        return f"{SIDE}px"
    side = SIDE * min(max(coarsest, FINE), COARSE)
    return f"{max(side, LEAST_SIDE * coarsest):.4g}m"


def _pixel(layer: QgsRasterLayer, resolution: float | None) -> float | None:
    """Metres of a pixel of what the engine gets to see."""
    own = ground_resolution(layer)
    return own if engine_source(layer) is not None else resolution or own or DEFAULT_RESOLUTION


def tile_in_words(tile: str, layers: list[QgsRasterLayer], resolution: float | None = None) -> str:
    """``224 px, 112 m``: what is known of both; metres alone where the layers' pixels differ."""
    pixel = _pixel(layers[0], resolution) if len(layers) == 1 else None
    value, locale = float(tile.rstrip("pxm")), QLocale()
    in_pixels = tile.endswith("px")
    pixels = value if in_pixels else value / pixel if pixel else None
    metres = value if not in_pixels else value * pixel if pixel else None
    parts = []
    if pixels is not None:
        parts.append(tr("{count} px").format(count=locale.toString(round(pixels))))
    if metres is not None:
        parts.append(tr("{length} m").format(length=locale.toString(round(metres))))
    return ", ".join(parts)
