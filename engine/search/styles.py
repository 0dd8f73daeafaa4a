"""QGIS styles of the result layers: the templates in ``resources/styles``, fitted to a result."""

from __future__ import annotations

import xml.etree.ElementTree as ET  # nosec B405 # reads only the project's own templates, nothing from outside
from collections.abc import Sequence

from engine.resources import resource_path

DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
# Okabe and Ito's colours (2008), told apart by colour-blind people too, in the order of subregions.qml.
KEYWORD_COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (255, 255, 255),
)


def hits_style(scores: Sequence[float]) -> str:
    """QML of the layer ``hits``: graduated by score, in equal steps from the least score to the greatest."""
    root = _template("hits.qml")
    ranges = root.findall("./renderer-v2/ranges/range")
    lo, hi = (min(scores), max(scores)) if scores else (0.0, 1.0)
    step = (hi - lo) / len(ranges)
    margin = max(1e-6, step * 1e-3)  # the extreme scores must not fall outside by rounding
    for i, item in enumerate(ranges):
        lower = lo + i * step - (margin if i == 0 else 0.0)
        upper = lo + (i + 1) * step + (margin if i == len(ranges) - 1 else 0.0)
        item.set("lower", f"{lower:.9f}")
        item.set("upper", f"{upper:.9f}")
        item.set("label", f"{max(lower, lo):.3f} - {min(upper, hi):.3f}")
    return _written(root)


def subregions_style(keywords: Sequence[str]) -> str:
    """QML of the layer ``subregions``: one colour a keyword, in order; colours repeat after eight."""
    root = _template("subregions.qml")
    categories = root.find("./renderer-v2/categories")
    if categories is None:
        raise ValueError("subregions.qml has no categories")
    for child in list(categories):
        categories.remove(child)
    for i, keyword in enumerate(keywords):
        attributes = {"type": "string", "value": keyword, "label": keyword, "render": "true"}
        ET.SubElement(categories, "category", {**attributes, "symbol": str(i % len(KEYWORD_COLOURS))})
    ET.indent(root)
    return _written(root)


def _template(name: str) -> ET.Element:
    return ET.fromstring(resource_path("styles", name).read_text(encoding="utf-8"))  # nosec B314 # the project's own


def _written(root: ET.Element) -> str:
    return DOCTYPE + ET.tostring(root, encoding="unicode") + "\n"
