"""What the engine's automatic tile size amounts to on the chosen layers."""

from __future__ import annotations

from collections.abc import Collection

from qgis.core import QgsRasterLayer
from qgis.PyQt.QtCore import QLocale

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.rendering.plan import DEFAULT_RESOLUTION, ground_resolution
from qgis_mpsclip.rendering.sources import engine_source

SIDE = 224
FINEST = 0.3
"""The engine's rule (engine/raster/grid.py): SIDE pixels; where they are finer than FINEST metres, as many as show the
ground that SIDE pixels of FINEST metres show."""


def automatic_tile_in_words(layers: list[QgsRasterLayer], resolution: float | None = None) -> str:
    """``224 px, 112 m``: pixels where they are the same on all layers, and metres where all have a CRS.

    Args:
        resolution: metres a pixel that was chosen for layers that are rendered; files have their own.
    """
    known = [_pixel(layer, resolution) for layer in layers]
    pixels = [round(SIDE * max(1.0, FINEST / (size or FINEST))) for size in known] or [SIDE]
    metres = [round(side * size) for side, size in zip(pixels, known) if size]
    in_pixels = tr("{count} px").format(count=_range(pixels))
    if not metres or len(metres) < len(known):
        return in_pixels
    in_metres = tr("{length} m").format(length=_range(metres))
    return f"{in_pixels}, {in_metres}" if len(set(pixels)) == 1 else in_metres


def _pixel(layer: QgsRasterLayer, resolution: float | None) -> float | None:
    """Metres of a pixel of what the engine gets to see; None: it has no CRS."""
    own = ground_resolution(layer)
    return own if engine_source(layer) is not None else resolution or own or DEFAULT_RESOLUTION


def _range(numbers: Collection[int]) -> str:
    """One number, or the least and the greatest of several."""
    locale = QLocale()
    return "\N{EN DASH}".join(locale.toString(number) for number in sorted({min(numbers), max(numbers)}))
