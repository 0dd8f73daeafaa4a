"""Outlines of districts: soft and irregular, or the stepped edge of the street blocks that were built so far."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry import Polygon

from engine.demo.scene.canvas import Frame
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.landcover import split
from engine.demo.scene.layout import Site

Block = tuple[float, float, float, float]


def blob(drawing: Drawing, frame: Frame, rx: float, ry: float, rough: float = 0.10, power: float = 3.2) -> Polygon:
    """A rounded, irregular outline within the given half axes."""
    rng = drawing.rng
    t = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = 1 / (np.abs(np.cos(t)) ** power + np.abs(np.sin(t)) ** power) ** (1 / power)
    for k in (2, 3, 4, 5, 7):
        radius *= 1 + rng.normal(0, rough / k**0.6) * np.cos(k * t + rng.uniform(0, 2 * np.pi))
    radius = np.minimum(radius, 1.0 / np.maximum(np.abs(np.cos(t)), np.abs(np.sin(t))))
    shape = Polygon(frame.world(np.stack((rx * radius * np.cos(t), ry * radius * np.sin(t)), axis=1))).buffer(0)
    return shape if isinstance(shape, Polygon) else max(shape.geoms, key=lambda part: part.area)


def district_blocks(drawing: Drawing, site: Site, target: float) -> tuple[list[Block], Polygon]:
    """Street blocks (x0, y0, x1, y1 in the site's frame) of about ``target`` pixels, and the outline they fill.

    Blocks at the corners are left out, so that the town does not end in a rectangle.
    """
    limit = blob(drawing, site.frame, site.width / 2, site.height / 2, 0.10, 2.7)
    kept: list[Block] = []
    shapes: list[Polygon] = []
    for block in split(drawing.rng, site.width - 12, site.height - 12, target):
        shape = Polygon(site.frame.rectangle(*block))
        if shape.intersection(limit).area > 0.62 * shape.area:
            kept.append(block)
            shapes.append(shape.buffer(6, join_style="mitre"))
    whole = shapely.union_all(shapes).buffer(-3).buffer(3)
    outline = whole if isinstance(whole, Polygon) else max(whole.geoms, key=lambda part: part.area)
    inside = [block for block, shape in zip(kept, shapes, strict=True) if outline.intersects(shape.centroid)]
    return inside, Polygon(outline.exterior)
