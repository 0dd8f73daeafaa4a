"""Buildings seen from above: roofs whose faces are lit by their slope, walls that lean away from the camera."""

from __future__ import annotations

import numpy as np
from shapely.geometry import MultiPoint, Polygon

from engine.demo.scene.canvas import Color, Frame
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.materials import Material
from engine.types import Float64Array

TILES: list[Color] = [(146, 98, 78), (132, 90, 74), (156, 112, 90), (120, 88, 76)]
SLATE: list[Color] = [(112, 108, 104), (94, 92, 92), (128, 122, 114), (140, 132, 122), (106, 98, 90)]
PALE: list[Color] = [(196, 192, 186), (178, 174, 166), (210, 208, 204), (164, 158, 150)]
METAL_ROOFS: list[Color] = [
    (206, 208, 210),
    (190, 192, 194),
    (118, 146, 188),
    (104, 132, 178),
    (172, 176, 180),
    (150, 154, 156),
    (216, 214, 208),
]


def shade(color: Color, factor: float) -> Color:
    """A colour made lighter or darker."""
    r, g, b = (min(252.0, c * factor) for c in color)
    return r, g, b


def _face(
    drawing: Drawing,
    frame: Frame,
    points: list[tuple[float, float]],
    slope: tuple[float, float],
    color: Color,
    height: float,
    material: Material,
) -> None:
    """One roof face; ``slope`` is its downhill gradient in the local frame."""
    c, s = np.cos(frame.angle), np.sin(frame.angle)
    light = drawing.canvas.sun.facing(float(c * slope[0] - s * slope[1]), float(s * slope[0] + c * slope[1]))
    drawing.canvas.fill(frame.world(points), shade(color, light), material, height)


def gable_roof(
    drawing: Drawing,
    frame: Frame,
    width: float,
    depth: float,
    eave: float,
    color: Color,
    pitch: float = 0.55,
    material: Material = Material.ROOF,
) -> None:
    """Two faces that meet in a ridge along the local x axis."""
    w, d = width / 2, depth / 2
    height = eave + pitch * d * 0.55
    _face(drawing, frame, [(-w, -d), (w, -d), (w, 0.2), (-w, 0.2)], (0, -pitch), color, height, material)
    _face(drawing, frame, [(-w, 0), (w, 0), (w, d), (-w, d)], (0, pitch), color, height, material)


def hip_roof(
    drawing: Drawing, frame: Frame, width: float, depth: float, eave: float, color: Color, pitch: float = 0.6
) -> None:
    """Four faces; the ridge lies along the longer side."""
    if depth > width:
        frame, width, depth = frame.at(0, 0, np.pi / 2), depth, width
    w, d = width / 2, depth / 2
    height = eave + pitch * d * 0.5
    _face(drawing, frame, [(-w, -d), (w, -d), (w - d, 0), (d - w, 0)], (0, -pitch), color, height, Material.ROOF)
    _face(drawing, frame, [(-w, d), (w, d), (w - d, 0), (d - w, 0)], (0, pitch), color, height, Material.ROOF)
    _face(drawing, frame, [(-w, -d), (-w, d), (d - w, 0)], (-pitch, 0), color, height, Material.ROOF)
    _face(drawing, frame, [(w, -d), (w, d), (w - d, 0)], (pitch, 0), color, height, Material.ROOF)


def ribbed_roof(drawing: Drawing, frame: Frame, width: float, depth: float, eave: float, color: Color) -> None:
    """A shed's shallow metal roof with standing seams and a row of skylights or vents."""
    gable_roof(drawing, frame, width, depth, eave, color, 0.16, Material.METAL)
    w, d = width / 2, depth / 2
    for x in np.arange(-w + 7, w - 2, float(drawing.rng.choice([7.0, 9.0, 12.0]))):
        drawing.canvas.stroke(frame.world([(x, -d), (x, d)]), 0.8, shade(color, 0.84), None, None, 0.6)
    drawing.canvas.stroke(frame.world([(-w, 0), (w, 0)]), 1.2, shade(color, 1.1), None, None, 0.8)
    if drawing.rng.random() < 0.5:
        tone = shade(color, 0.72)
        for x in np.arange(-w + 14, w - 8, 24):
            for y in (-d / 2, d / 2):
                drawing.canvas.fill(frame.rectangle(x, y - 4, x + 4, y + 4), tone, None, None, 0.8)


def flat_roof(
    drawing: Drawing, frame: Frame, width: float, depth: float, height: float, color: Color, machines: bool = True
) -> None:
    """A flat roof with a parapet and machines on it."""
    w, d = width / 2, depth / 2
    drawing.canvas.fill(frame.rectangle(-w, -d, w, d), shade(color, 1.12), Material.ROOF, height + 1.2)
    drawing.canvas.fill(frame.rectangle(-w + 1.6, -d + 1.6, w - 1.6, d - 1.6), color, Material.ROOF, height)
    if not machines:
        return
    for _ in range(int(drawing.rng.integers(1, 3 + int(width * depth / 900)))):
        a, b = drawing.rng.uniform(3, max(4, w * 0.3)), drawing.rng.uniform(3, max(4, d * 0.3))
        if w - a < 3 or d - b < 3:
            continue
        x, y = drawing.rng.uniform(-(w - a - 2), w - a - 2), drawing.rng.uniform(-(d - b - 2), d - b - 2)
        tone = shade(color, float(drawing.rng.uniform(0.7, 1.25)))
        drawing.canvas.fill(
            frame.rectangle(x - a, y - b, x + a, y + b), tone, Material.ROOF, height + float(drawing.rng.uniform(3, 6))
        )


def tower(
    drawing: Drawing, frame: Frame, width: float, depth: float, height: float, color: Color, lean: tuple[float, float]
) -> Frame:
    """A tall block: the walls that the camera sees, then the roof, shifted by ``lean`` times the height.

    Returns the frame of the roof.
    """
    base = frame.rectangle(-width / 2, -depth / 2, width / 2, depth / 2)
    shift = np.array(lean) * height
    roof = Frame(frame.x + float(shift[0]), frame.y + float(shift[1]), frame.angle)
    wall = shade(color, float(drawing.rng.uniform(0.62, 0.82)))
    hull = MultiPoint(np.concatenate((base, base + shift))).convex_hull
    if isinstance(hull, Polygon):
        drawing.canvas.fill(hull, wall, Material.ROOF, height * 0.5)
    for k in range(4):
        _floors(drawing, base[k], base[(k + 1) % 4], shift, height, wall)
    flat_roof(drawing, roof, width, depth, height, color)
    return roof


def _floors(
    drawing: Drawing, a: Float64Array, b: Float64Array, shift: Float64Array, height: float, wall: Color
) -> None:
    """Window bands of a wall that faces the camera's side."""
    outward = np.array([b[1] - a[1], a[0] - b[0]])
    if outward @ shift >= 0 or np.hypot(*shift) < 3:
        return
    sx, sy, _ = drawing.canvas.sun.vector
    lit = 1.22 if outward @ np.array([sx, sy]) > 0 else 0.72
    drawing.canvas.fill(np.array([a, b, b + shift, a + shift]), shade(wall, lit), Material.ROOF, None)
    for t in np.arange(0.12, 1.0, max(0.09, 2.6 / float(np.hypot(*shift)))):
        drawing.canvas.stroke(np.array([a + shift * t, b + shift * t]), 0.9, shade(wall, lit * 0.7), None, None, 0.7)
