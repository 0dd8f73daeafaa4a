"""The harbour: quay with sheds, a marina of piers full of boats behind a breakwater, ships under way."""

from __future__ import annotations

import numpy as np
from shapely.geometry import LineString, Point, Polygon

from engine.demo.scene.buildings import METAL_ROOFS, ribbed_roof, shade
from engine.demo.scene.canvas import Color, Frame
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.layout import Plan, Site, smooth_line
from engine.demo.scene.materials import Material
from engine.demo.scene.parking import rows_of_cars
from engine.demo.scene.vegetation import along, plant

_HULLS: list[Color] = [(236, 236, 234), (224, 226, 228), (214, 210, 200), (240, 240, 240), (70, 84, 112)]


def draw_boat(drawing: Drawing, frame: Frame, long: float, wake: bool = False) -> None:
    """A boat, bow along +x: hull, deck, cabin."""
    canvas = drawing.canvas
    a, b = long / 2, max(1.5, long * 0.15)
    if wake:
        for side in (-1, 1):
            canvas.fill(
                frame.world([(a * 0.6, 0), (-a * 5, side * b * 4.4), (-a * 4.4, side * b * 2.8)]),
                (206, 216, 216),
                None,
                None,
                0.35,
            )
        canvas.fill(
            frame.world([(-a, -b), (-a * 5, -b * 1.4), (-a * 5, b * 1.4), (-a, b)]), (226, 232, 232), None, None, 0.5
        )
    hull = [
        (a, 0),
        (a * 0.55, b * 0.85),
        (-a * 0.2, b),
        (-a, b * 0.85),
        (-a, -b * 0.85),
        (-a * 0.2, -b),
        (a * 0.55, -b * 0.85),
    ]
    color = drawing.pick(_HULLS, 0.03)
    canvas.fill(frame.world(hull), color, Material.PAINT, 2.6)
    canvas.fill(frame.world(np.array(hull) * (0.72, 0.6)), shade(color, 0.86), Material.PAINT, 2.6)
    canvas.fill(
        frame.rectangle(-a * 0.45, -b * 0.55, a * 0.2, b * 0.55),
        drawing.pick([(240, 240, 238), (90, 110, 140), (160, 160, 160)]),
        Material.PAINT,
        5,
    )
    drawing.add("boat", frame.world(hull), "harbour" if not wake else None)


def draw_harbour(drawing: Drawing, site: Site, plan: Plan) -> None:
    """Everything is in the site's frame: y < 0 is land, y > 0 the sea."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    w = site.width / 2
    edge, outer = 34.0, 300.0
    basin = frame.rectangle(-w, edge, w, outer)
    water = drawing.pick([(52, 80, 84), (46, 74, 70), (60, 88, 92)])
    # Calm water behind the breakwater, a little greener; it fades into the open sea.
    for inset in (0, 8, 16, 24):
        canvas.fill(Polygon(basin).buffer(-inset), water, Material.WATER, 0, 0.28)
    quay = frame.rectangle(-w, -120, w, edge)
    concrete = drawing.pick([(172, 168, 158), (158, 154, 148), (184, 176, 164)], 0.03)
    canvas.fill(quay, concrete, Material.CONCRETE, 3)
    canvas.stroke(frame.world([(-w, edge - 2), (w, edge - 2)]), 3.4, shade(concrete, 1.15), Material.CONCRETE, 4)
    _breakwater(drawing, frame, w, edge, outer)
    pitch_between = float(rng.uniform(58, 68))
    length = float(rng.uniform(150, 185))
    for x in np.arange(-w + 62, w * 0.86, pitch_between):
        reach = length * rng.uniform(0.88, 1.06)
        canvas.stroke(frame.world([(x, edge), (x, edge + reach)]), 3.6, (188, 178, 160), Material.CONCRETE, 2)
        for y in np.arange(edge + 16, edge + reach, 8.2):
            for side in (-1, 1):
                if rng.random() < 0.84:
                    long = float(rng.uniform(17, 25))
                    turn = 0.0 if side > 0 else np.pi
                    draw_boat(
                        drawing,
                        frame.at(x + side * (3 + long / 2), float(y) + rng.normal(0, 0.6), turn + rng.normal(0, 0.03)),
                        long,
                    )
    _land_side(drawing, frame, w)
    drawing.add("harbour", frame.rectangle(-w, -120, w, outer))
    _open_water(drawing, plan, frame)


def _breakwater(drawing: Drawing, frame: Frame, w: float, edge: float, outer: float) -> None:
    """Two rubble arms with a gap for the entrance."""
    gap = float(drawing.rng.uniform(-0.3, 0.5)) * w
    arms = [
        frame.world([(-w, edge - 10), (-w - 8, outer * 0.7), (-w + 40, outer), (gap - 42, outer + 14)]),
        frame.world([(w, edge - 10), (w + 8, outer * 0.6), (w - 30, outer - 8), (gap + 46, outer - 14)]),
    ]
    for arm in arms:
        line = smooth_line(arm, 60, 2.5)
        drawing.canvas.stroke(line, 19, (112, 106, 98), Material.FOREST_FLOOR, 4)
        drawing.canvas.stroke(line, 8, (182, 176, 164), Material.CONCRETE, 7)


def _land_side(drawing: Drawing, frame: Frame, w: float) -> None:
    """Sheds, a car park and a row of trees on the quay."""
    rng = drawing.rng
    x = -w + 14
    while x < w - 120:
        long = float(rng.uniform(90, 150))
        if rng.random() < 0.62:
            ribbed_roof(drawing, frame.at(x + long / 2, -62), long, 46, 14, drawing.pick([*METAL_ROOFS, (150, 84, 68)]))
        else:
            drawing.canvas.fill(frame.rectangle(x, -96, x + long, -34), (120, 118, 114), Material.ASPHALT, 3)
            rows_of_cars(drawing, frame, x, -96, x + long, -34, 0.7)
        x += long + float(rng.uniform(14, 34))
    plant(drawing, along(drawing, frame.world([(-w, -128), (w, -128)]), 12, 3), (3.5, 6.5))


def _open_water(drawing: Drawing, plan: Plan, frame: Frame) -> None:
    """Boats under way off the coast, with their wakes."""
    rng = drawing.rng
    coast = LineString(plan.coast)
    basin = Polygon(frame.rectangle(-440, -140, 440, 350))
    placed = 0
    for x, y in rng.uniform(40, plan.size - 40, (400, 2)):
        spot = Point(x, y)
        if placed < 9 and plan.sea.contains(spot) and coast.distance(spot) > 110 and not basin.contains(spot):
            draw_boat(
                drawing,
                Frame(float(x), float(y), float(rng.uniform(0, 2 * np.pi))),
                float(rng.uniform(20, 32)),
                wake=True,
            )
            placed += 1
