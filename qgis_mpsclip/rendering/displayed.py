"""How a layer is displayed, in the terms of the engine's options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qgis.core import (
    QgsContrastEnhancement,
    QgsMultiBandColorRenderer,
    QgsRasterLayer,
    QgsSingleBandGrayRenderer,
)

_RAW = (0.0, 255.0)


@dataclass(frozen=True)
class Display:
    """``bands``: one or three numbers from 1; ``stretch``: for each of them the values that become 0 and 255."""

    bands: tuple[int, ...]
    stretch: tuple[tuple[float, float], ...]

    def params(self) -> dict[str, Any]:
        """The options ``bands`` and ``stretch`` of a request."""
        return {"bands": list(self.bands), "stretch": [list(limits) for limits in self.stretch]}


def displayed(layer: QgsRasterLayer) -> Display | None:
    """Bands and stretch of a layer in colour or grey; None for every other style, which only rendering reproduces."""
    renderer = layer.renderer()
    if isinstance(renderer, QgsMultiBandColorRenderer):
        chosen = [
            (renderer.redBand(), renderer.redContrastEnhancement()),
            (renderer.greenBand(), renderer.greenContrastEnhancement()),
            (renderer.blueBand(), renderer.blueContrastEnhancement()),
        ]
    elif isinstance(renderer, QgsSingleBandGrayRenderer):
        if renderer.gradient() != QgsSingleBandGrayRenderer.Gradient.BlackToWhite:
            return None
        chosen = [(renderer.inputBand(), renderer.contrastEnhancement())]
    else:
        return None
    if any(band < 1 for band, _ in chosen):  # a colour without a band
        return None
    limits = [_limits(enhancement) for _, enhancement in chosen]
    if any(high <= low for low, high in limits):
        return None
    return Display(tuple(band for band, _ in chosen), tuple(limits))


def _limits(enhancement: QgsContrastEnhancement | None) -> tuple[float, float]:
    stretching = (
        QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum,
        QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchAndClipToMinimumMaximum,
    )
    if enhancement is None or enhancement.contrastEnhancementAlgorithm() not in stretching:
        return _RAW
    return float(enhancement.minimumValue()), float(enhancement.maximumValue())
