"""Roads of every size, the bridges that carry them over the river, the interchange, and the traffic."""

from __future__ import annotations

import numpy as np
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from engine.demo.scene.canvas import Color, Frame
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.layout import HIGHWAY_WIDTH, smooth_line
from engine.demo.scene.materials import Material
from engine.demo.scene.vegetation import plant, scatter
from engine.types import Float64Array

ASPHALT: Color = (112, 110, 108)
WORN_ASPHALT: Color = (134, 130, 124)
CONCRETE: Color = (172, 166, 156)
MARKING: Color = (206, 204, 196)
VERGE: Color = (134, 126, 98)
CAR_COLORS: list[Color] = [
    (226, 226, 226),
    (216, 218, 220),
    (190, 192, 196),
    (46, 48, 52),
    (60, 62, 68),
    (96, 98, 104),
    (142, 40, 38),
    (48, 66, 112),
    (122, 118, 108),
    (232, 232, 228),
]


def car(drawing: Drawing, frame: Frame, long: float = 9.0) -> None:
    """A car along the frame's x axis: body, and a dark band for its windows."""
    color = drawing.pick(CAR_COLORS, 0.05)
    half = long * 0.22
    drawing.canvas.fill(frame.rectangle(-long / 2, -half, long / 2, half), color, Material.PAINT, 2.6)
    drawing.canvas.fill(
        frame.rectangle(-long * 0.02, -half * 0.8, long * 0.2, half * 0.8), (44, 48, 54), None, None, 0.75
    )


def offset_line(line: Float64Array, distance: float) -> Float64Array:
    """A polyline (n, 2) moved sideways, to the right of its direction."""
    ahead = np.gradient(line, axis=0)
    normal = (
        np.stack((-ahead[:, 1], ahead[:, 0]), axis=1) / np.maximum(np.hypot(ahead[:, 0], ahead[:, 1]), 1e-9)[:, None]
    )
    return np.asarray(line + normal * distance)


def walk(line: Float64Array, step: float) -> tuple[Float64Array, Float64Array]:
    """Points (m, 2) every ``step`` pixels along a polyline, and the bearing there (m,)."""
    ahead = np.diff(line, axis=0)
    steps = np.hypot(ahead[:, 0], ahead[:, 1])
    run = np.concatenate(([0.0], np.cumsum(steps)))
    at = np.arange(step / 2, run[-1], step)
    points = np.stack((np.interp(at, run, line[:, 0]), np.interp(at, run, line[:, 1])), axis=1)
    segment = np.clip(np.searchsorted(run, at, side="right") - 1, 0, len(ahead) - 1)
    return points, np.asarray(np.arctan2(ahead[segment, 1], ahead[segment, 0]))


def dashes(drawing: Drawing, line: Float64Array, step: float, length: float, width: float, opacity: float) -> None:
    """A broken line."""
    for (x, y), bearing in zip(*walk(line, step), strict=True):
        frame = Frame(float(x), float(y), float(bearing))
        drawing.canvas.fill(
            frame.rectangle(-length / 2, -width / 2, length / 2, width / 2), MARKING, None, None, opacity
        )


def traffic(drawing: Drawing, line: Float64Array, gap: float, right: bool = True) -> None:
    """Cars and a few lorries along a lane, one about every ``gap`` pixels."""
    for (x, y), bearing in zip(*walk(line, gap), strict=True):
        if drawing.rng.random() < 0.6:
            turned = float(bearing) + (0.0 if right else np.pi)
            frame = Frame(float(x), float(y), turned).at(float(drawing.rng.uniform(-0.4, 0.4) * gap), 0)
            car(drawing, frame, 9.0 if drawing.rng.random() < 0.9 else 19.0)


def draw_highway(drawing: Drawing, line: Float64Array) -> None:
    """Two carriageways of two lanes each with a median and cleared verges."""
    canvas = drawing.canvas
    canvas.stroke(line, HIGHWAY_WIDTH + 22, drawing.vary(VERGE), Material.GRASS, 0, 0.45)
    canvas.stroke(line, HIGHWAY_WIDTH + 5, drawing.vary((156, 148, 130)), Material.SOIL, 0, 0.7)
    canvas.stroke(line, HIGHWAY_WIDTH, drawing.vary(ASPHALT, 0.05), Material.ASPHALT, 0)
    canvas.stroke(line, 4.2, drawing.vary((112, 114, 84)), Material.GRASS, 0.6)
    for side in (-1, 1):
        canvas.stroke(offset_line(line, side * 3.2), 0.9, MARKING, None, None, 0.55)
        canvas.stroke(offset_line(line, side * 15.4), 0.9, MARKING, None, None, 0.55)
        dashes(drawing, offset_line(line, side * 9.3), 15, 6, 0.9, 0.8)
        for lane in (6.2, 12.4):
            traffic(drawing, offset_line(line, side * lane), 95, side > 0)


def draw_road(drawing: Drawing, line: Float64Array, width: float, cars: float = 120) -> None:
    """A two-lane road with dusty verges; narrow ones are farm tracks."""
    canvas = drawing.canvas
    if width < 8:
        canvas.stroke(line, width, drawing.vary((152, 138, 112)), Material.SOIL, 0, 0.8)
        canvas.stroke(line, width * 0.35, drawing.vary((116, 114, 78)), Material.GRASS, 0, 0.5)
        return
    canvas.stroke(line, width + 11, drawing.vary(VERGE), Material.GRASS, 0, 0.45)
    canvas.stroke(line, width + 3, drawing.vary((150, 142, 124)), Material.SOIL, 0, 0.6)
    canvas.stroke(line, width, drawing.vary(WORN_ASPHALT, 0.06), Material.ASPHALT, 0)
    dashes(drawing, line, 13, 5, 0.8, 0.6)
    for side in (-1, 1):
        traffic(drawing, offset_line(line, side * width * 0.25), cars, side > 0)


def draw_bridges(drawing: Drawing, line: Float64Array, width: float, river: BaseGeometry) -> None:
    """A deck wherever a line crosses the river: lighter, with parapets, high enough to throw a shadow on the water."""
    crossing = LineString(line).intersection(river.buffer(16))
    for part in getattr(crossing, "geoms", [crossing]):
        if not isinstance(part, LineString) or part.length < 50:
            continue
        middle = smooth_line(np.asarray(part.coords), max(12, int(part.length / 8)), 1.0)
        canvas = drawing.canvas
        deck = LineString(middle).buffer(width / 2 + 4, cap_style="flat")
        canvas.fill(deck, drawing.vary(CONCRETE, 0.05), Material.CONCRETE, 9)
        canvas.stroke(middle, width - 1, drawing.vary(ASPHALT, 0.06), Material.ASPHALT, 9)
        for side in (-1, 1):
            canvas.stroke(offset_line(middle, side * (width / 2 + 2.6)), 1.4, (206, 202, 194), Material.CONCRETE, 10.5)
        if width > 24:
            canvas.stroke(middle, 2.4, (190, 186, 178), Material.CONCRETE, 10)
            for side in (-1, 1):
                dashes(drawing, offset_line(middle, side * 9.3), 15, 6, 0.9, 0.8)
        else:
            dashes(drawing, middle, 13, 5, 0.8, 0.7)
        for side in (-1, 1):
            for x, y, bearing in zip(
                *walk(offset_line(middle, side * width * 0.27), 46)[0].T,
                walk(offset_line(middle, side * width * 0.27), 46)[1],
                strict=True,
            ):
                if drawing.rng.random() < 0.5:
                    long = 9.0
                    frame = Frame(float(x), float(y), float(bearing))
                    canvas.fill(
                        frame.rectangle(-long / 2, -2, long / 2, 2), drawing.pick(CAR_COLORS), Material.PAINT, 11.6
                    )
        for x, y in middle[[0, -1]]:
            flank = scatter(drawing, (x - 42, y - 42, x + 42, y + 42), 12)
            plant(drawing, flank, (3, 6))
        drawing.add("bridge", deck)


def draw_interchange(drawing: Drawing, frame: Frame) -> None:
    """A cloverleaf: loops and outer ramps in each quadrant, the local y road carried over the local x road."""
    rng, canvas = drawing.rng, drawing.canvas
    ramp = 12.0
    extent = float(rng.uniform(225, 250))
    shapes: list[BaseGeometry] = []
    lines: list[Float64Array] = []
    quadrants = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    left_out = int(rng.integers(8))
    for k, (sx, sy) in enumerate(quadrants):
        t = np.linspace(0, 1, 50)
        # Outer ramp: leaves one road and joins the other along a quadratic curve.
        ends = np.array([[sx * extent, sy * 15], [sx * extent * 0.40, sy * extent * 0.40], [sx * 15, sy * extent]])
        curve = ((1 - t) ** 2)[:, None] * ends[0] + (2 * t * (1 - t))[:, None] * ends[1] + (t**2)[:, None] * ends[2]
        lines.append(frame.world(curve))
        if k == left_out:
            continue
        radius = float(rng.uniform(58, 70))
        bearing = np.linspace(-0.75 * np.pi, 1.25 * np.pi, 70)
        loop = np.stack(
            (sx * (radius + 12 + radius * np.cos(bearing)), sy * (radius + 12 + radius * np.sin(bearing))), axis=1
        )
        lines.append(frame.world(loop))
    for line in lines:
        canvas.stroke(line, ramp + 12, drawing.vary(VERGE), Material.GRASS, 0, 0.5)
    for line in lines:
        canvas.stroke(line, ramp + 3, (166, 158, 140), Material.SOIL, 0, 0.8)
        canvas.stroke(line, ramp, drawing.vary(WORN_ASPHALT, 0.04), Material.ASPHALT, 0)
        traffic(drawing, line, 110)
        shapes.append(LineString(line).buffer(ramp / 2 + 2))
    half = HIGHWAY_WIDTH / 2
    # The lower road again, over the ramps' ends; then the upper one on its deck.
    arms = [frame.world([(-extent, 0), (extent, 0)]), frame.world([(0, -extent), (0, extent)])]
    for arm in arms:
        shapes.append(LineString(arm).buffer(half, cap_style="flat"))
    draw_highway(drawing, smooth_line(arms[0], 40, 1.0))
    deck = frame.world([(0, -88), (0, 88)])
    draw_highway(drawing, smooth_line(arms[1], 40, 1.0))
    canvas.stroke(deck, HIGHWAY_WIDTH + 7, drawing.vary(CONCRETE, 0.04), Material.CONCRETE, 11)
    canvas.stroke(deck, HIGHWAY_WIDTH - 1, drawing.vary(ASPHALT, 0.04), Material.ASPHALT, 11)
    for x in (-half - 2.4, 0, half + 2.4):
        canvas.stroke(frame.world([(x, -88), (x, 88)]), 1.6, (210, 206, 198), Material.CONCRETE, 12.5)
    for x in (-9.3, 9.3):
        dashes(drawing, smooth_line(frame.world([(x, -88), (x, 88)]), 20, 1.0), 15, 6, 0.9, 0.8)
    for _ in range(9):
        x, y = float(rng.choice([-12.4, -6.2, 6.2, 12.4])), float(rng.uniform(-82, 82))
        canvas.fill(frame.rectangle(x - 2, y - 4.5, x + 2, y + 4.5), drawing.pick(CAR_COLORS), Material.PAINT, 13.6)
    whole = unary_union(shapes).buffer(9).buffer(-9)
    outline = Polygon(whole.exterior) if isinstance(whole, Polygon) else whole.convex_hull
    hull = outline.convex_hull.buffer(-12)
    points = scatter(drawing, hull.bounds, 15)
    inside = [p for p in points if rng.random() < 0.35 and canvas.material_at(*p) == Material.GRASS]
    plant(drawing, inside, (3, 6))
    drawing.add("interchange", outline)
