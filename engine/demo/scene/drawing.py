"""What every drawing routine gets: the canvas, a generator of its own, and the register of finished objects."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from engine.demo.scene.canvas import Canvas, Color


@dataclass(frozen=True, slots=True)
class DrawnObject:
    """A finished object: kind id, its polygon in pixels, and the kind of the larger object it belongs to, if any."""

    kind: str
    polygon: BaseGeometry
    part_of: str | None = None


@dataclass(slots=True)
class Drawing:
    """Canvas, random generator and object register, handed from routine to routine."""

    canvas: Canvas
    rng: np.random.Generator
    objects: list[DrawnObject] = field(default_factory=list)

    def add(self, kind: str, shape: npt.ArrayLike | BaseGeometry, part_of: str | None = None) -> None:
        """Register an object by its outline: a ring (n, 2) in pixels or a polygon."""
        polygon = shape if isinstance(shape, BaseGeometry) else Polygon(np.asarray(shape, dtype=np.float64))
        self.objects.append(DrawnObject(kind, polygon if polygon.is_valid else polygon.buffer(0), part_of))

    def vary(self, color: Color, spread: float = 0.08, hue: float = 0.012) -> Color:
        """The colour, lighter or darker by about ``spread`` and off in hue by about ``hue``."""
        factors = (1 + self.rng.normal(0, spread)) * (1 + self.rng.normal(0, hue, 3))
        r, g, b = np.clip(np.asarray(color) * factors, 4, 250)
        return float(r), float(g), float(b)

    def pick(self, colors: list[Color], spread: float = 0.06) -> Color:
        """One of the colours, slightly varied."""
        return self.vary(colors[int(self.rng.integers(len(colors)))], spread, 0.014)
