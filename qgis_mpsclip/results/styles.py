"""Styles of layers that have no file yet: the engine's own templates, fitted to what has been found so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsFillSymbol,
    QgsGraduatedSymbolRenderer,
    QgsRendererCategory,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

_PACKAGE = Path(__file__).resolve().parent.parent
# The plugin's zip carries the engine's resources, a checkout has them beside the plugin.
_FOLDERS = (_PACKAGE / "engine_src" / "resources" / "styles", _PACKAGE.parent / "resources" / "styles")


def load_template(layer: QgsVectorLayer, name: str) -> None:
    """Gives a layer the style ``hits`` or ``subregions``.

    Raises:
        FileNotFoundError: the plugin is not complete.
    """
    for folder in _FOLDERS:
        if (folder / f"{name}.qml").is_file():
            layer.loadNamedStyle(str(folder / f"{name}.qml"))
            return
    raise FileNotFoundError(f"{name}.qml")


def grade(layer: QgsVectorLayer, scores: Sequence[float]) -> None:
    """Equal classes from the least score to the greatest, as the engine makes them (``engine/search/styles.py``)."""
    renderer = layer.renderer()
    if not isinstance(renderer, QgsGraduatedSymbolRenderer) or not scores:
        return
    lo, hi, count = min(scores), max(scores), len(renderer.ranges())
    step = (hi - lo) / count
    margin = max(1e-6, step * 1e-3)  # the extreme scores must not fall outside by rounding
    for i in range(count):
        lower, upper = lo + i * step, lo + (i + 1) * step
        renderer.updateRangeLowerValue(i, lower - (margin if i == 0 else 0.0))
        renderer.updateRangeUpperValue(i, upper + (margin if i == count - 1 else 0.0))
        renderer.updateRangeLabel(i, f"{lower:.3f} - {upper:.3f}")


class KeywordColours:
    """One colour a keyword, in order of appearance; they repeat after eight, as in the engine's files."""

    def __init__(self, layer: QgsVectorLayer) -> None:
        """``layer``: freshly styled with the template ``subregions``, whose symbols are taken."""
        self._symbols: list[QgsFillSymbol] = [item.symbol().clone() for item in layer.renderer().categories()]
        self._keywords: list[str] = []

    def show(self, layer: QgsVectorLayer, keywords: Iterable[str]) -> bool:
        """Adds categories for new keywords; whether there were any."""
        new = [word for word in dict.fromkeys(keywords) if word not in self._keywords]
        first = not self._keywords
        self._keywords += new
        if new or first:
            categories = [
                QgsRendererCategory(word, self._symbols[i % len(self._symbols)].clone(), word)
                for i, word in enumerate(self._keywords)
            ]
            layer.setRenderer(QgsCategorizedSymbolRenderer("keyword", categories))
        return bool(new)


def keyword_colours(layer: QgsVectorLayer | None) -> dict[str, QColor]:
    """The colours in which a layer ``subregions`` shows its keywords, opaque; empty where it has another style."""
    renderer = layer.renderer() if layer is not None else None
    if not isinstance(renderer, QgsCategorizedSymbolRenderer):
        return {}
    colours = {}
    for category in renderer.categories():
        colour = QColor(category.symbol().color())
        colour.setAlpha(255)
        colours[str(category.value())] = colour
    return colours
