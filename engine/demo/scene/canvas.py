"""The planes a scene is drawn on, and the few primitives that draw on them.

Coordinates are pixels: x to the right, y down, pixel (0, 0) covers [0, 1) × [0, 1). Heights are in pixels too, so that
a shadow's length follows from the sun's elevation alone. Angles are radians from +x towards +y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from shapely.geometry import LineString, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from engine.demo.scene.materials import Material
from engine.types import Float32Array, Float64Array, UInt8Array

Color = tuple[float, float, float]
Window = tuple[slice, slice]

# Polygons larger than this are drawn without supersampling; their edges are smoothed by the renderer's blur.
_SUPERSAMPLED_AREA = 400_000


@dataclass(frozen=True, slots=True)
class Sun:
    """Direction towards the sun: azimuth in image radians, elevation in radians."""

    azimuth: float
    elevation: float

    @property
    def vector(self) -> tuple[float, float, float]:
        """Unit vector towards the sun: x, y (image axes), z up."""
        flat = float(np.cos(self.elevation))
        return flat * float(np.cos(self.azimuth)), flat * float(np.sin(self.azimuth)), float(np.sin(self.elevation))

    def facing(self, slope_x: float, slope_y: float) -> float:
        """Brightness of a plane with downhill direction (slope_x, slope_y), relative to level ground (1.0)."""
        x, y, z = self.vector
        lit = max(0.0, slope_x * x + slope_y * y + z) / float(np.sqrt(1 + slope_x**2 + slope_y**2))
        return 0.35 + 0.65 * lit / z


@dataclass(frozen=True, slots=True)
class Frame:
    """A local coordinate system: origin (x, y) in pixels, its x axis turned by ``angle``."""

    x: float
    y: float
    angle: float

    def world(self, points: npt.ArrayLike) -> Float64Array:
        """Local points (n, 2) as pixels (n, 2)."""
        local = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.stack(
            (self.x + c * local[:, 0] - s * local[:, 1], self.y + s * local[:, 0] + c * local[:, 1]), axis=1
        )

    def at(self, x: float, y: float, turn: float = 0.0) -> Frame:
        """The frame whose origin is local (x, y), turned by ``turn``."""
        px, py = self.world([(x, y)])[0]
        return Frame(float(px), float(py), self.angle + turn)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float) -> Float64Array:
        """An axis-parallel local rectangle as pixels (4, 2)."""
        return self.world([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])

    def ellipse(self, x: float, y: float, rx: float, ry: float, count: int = 64) -> Float64Array:
        """A local ellipse as pixels (count, 2)."""
        t = np.linspace(0, 2 * np.pi, count, endpoint=False)
        return self.world(np.stack((x + rx * np.cos(t), y + ry * np.sin(t)), axis=1))


class Canvas:
    """Albedo (H, W, 3) float32 in 0–255, height (H, W) float32 in pixels, material (H, W) uint8."""

    def __init__(self, size: int, sun: Sun) -> None:
        self.size = size
        self.sun = sun
        self.albedo: Float32Array = np.zeros((size, size, 3), dtype=np.float32)
        self.height: Float32Array = np.zeros((size, size), dtype=np.float32)
        self.material: UInt8Array = np.zeros((size, size), dtype=np.uint8)

    def window(self, x0: float, y0: float, x1: float, y1: float) -> Window | None:
        """The pixels that a box touches, or None outside the canvas."""
        left, top = max(0, int(np.floor(x0))), max(0, int(np.floor(y0)))
        right, bottom = min(self.size, int(np.ceil(x1)) + 1), min(self.size, int(np.ceil(y1)) + 1)
        return None if left >= right or top >= bottom else (slice(top, bottom), slice(left, right))

    def cover(self, shape: npt.ArrayLike | BaseGeometry) -> tuple[Window, Float32Array] | None:
        """Share of each pixel inside a ring (n, 2) or polygon: window and (h, w) float32, or None outside."""
        rings = _rings(shape)
        if not rings:
            return None
        corners = np.concatenate([ring for ring, _ in rings])
        window = self.window(*corners.min(axis=0), *corners.max(axis=0))
        if window is None:
            return None
        rows, cols = window
        height, width = rows.stop - rows.start, cols.stop - cols.start
        factor = 3 if height * width < _SUPERSAMPLED_AREA else 1
        image = Image.new("L", (width * factor, height * factor))
        draw = ImageDraw.Draw(image)
        for ring, inside in rings:
            # PIL puts integer coordinates at pixel centres.
            moved = (ring - (cols.start, rows.start)) * factor - 0.5
            draw.polygon([(float(x), float(y)) for x, y in moved], fill=255 if inside else 0)
        if factor > 1:
            image = image.reduce(factor)
        return window, np.asarray(image, dtype=np.float32) / np.float32(255)

    def paint(
        self,
        window: Window,
        coverage: Float32Array,
        color: Color | Float32Array,
        material: Material | None = None,
        height: float | Float32Array | None = None,
    ) -> None:
        """Blend a colour (or an (h, w, 3) texture) over a window; set material and height where it mostly covers."""
        target = self.albedo[window]
        target += coverage[..., None] * (np.asarray(color, dtype=np.float32) - target)
        solid = coverage > 0.5
        if material is not None:
            self.material[window][solid] = material
        if height is not None:
            self.height[window][solid] = height if np.isscalar(height) else np.asarray(height)[solid]

    def fill(
        self,
        shape: npt.ArrayLike | BaseGeometry,
        color: Color,
        material: Material | None = None,
        height: float | None = None,
        opacity: float = 1.0,
    ) -> None:
        """Fill a ring (n, 2) or a (multi)polygon with one colour."""
        covered = self.cover(shape)
        if covered is not None:
            window, coverage = covered
            self.paint(window, coverage * np.float32(opacity), color, material, height)

    def stroke(
        self,
        line: npt.ArrayLike,
        width: float,
        color: Color,
        material: Material | None = None,
        height: float | None = None,
        opacity: float = 1.0,
    ) -> None:
        """Draw a polyline (n, 2) of the given width, flat ends."""
        points = np.asarray(line, dtype=np.float64)
        if len(points) == 2:
            (x0, y0), (x1, y1) = points
            length = float(np.hypot(x1 - x0, y1 - y0)) or 1.0
            nx, ny = -(y1 - y0) / length * width / 2, (x1 - x0) / length * width / 2
            ring = [(x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)]
            self.fill(ring, color, material, height, opacity)
        else:
            # A long line in pieces keeps the windows small.
            for start in range(0, len(points) - 1, 24):
                part = LineString(points[start : start + 26])
                self.fill(part.buffer(width / 2, cap_style="flat"), color, material, height, opacity)

    def material_at(self, x: float, y: float) -> Material | None:
        """What covers a point, None outside the canvas."""
        if not (0 <= x < self.size and 0 <= y < self.size):
            return None
        return Material(int(self.material[int(y), int(x)]))


def _rings(shape: npt.ArrayLike | BaseGeometry) -> list[tuple[Float64Array, bool]]:
    """Rings (n, 2) of a shape, each with whether it bounds the inside (a hole does not)."""
    if isinstance(shape, BaseGeometry):
        polygons: Sequence[Polygon]
        if isinstance(shape, Polygon):
            polygons = [shape]
        elif isinstance(shape, MultiPolygon):
            polygons = list(shape.geoms)
        else:
            polygons = [part for part in getattr(shape, "geoms", []) if isinstance(part, Polygon)]
        rings: list[tuple[Float64Array, bool]] = []
        for polygon in polygons:
            if polygon.is_empty:
                continue
            rings.append((np.asarray(polygon.exterior.coords), True))
            rings.extend((np.asarray(hole.coords), False) for hole in polygon.interiors)
        return rings
    ring = np.asarray(shape, dtype=np.float64)
    return [(ring, True)] if len(ring) >= 3 else []
