"""Stadium, running track, football field, baseball field and tennis courts."""

from __future__ import annotations

import numpy as np
from shapely.geometry import Polygon

from engine.demo.scene.buildings import PALE, flat_roof, ribbed_roof, shade
from engine.demo.scene.canvas import Color, Frame
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.layout import Site
from engine.demo.scene.materials import Material
from engine.demo.scene.parking import rows_of_cars
from engine.demo.scene.vegetation import hedge, plant
from engine.types import Float64Array

LINE: Color = (222, 226, 216)
TURF: list[Color] = [(78, 116, 62), (70, 108, 58), (88, 120, 66), (64, 102, 60)]


def _mow(drawing: Drawing, frame: Frame, x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
    """Turf in two shades of mowing stripes."""
    drawing.canvas.fill(frame.rectangle(x0, y0, x1, y1), color, Material.LAWN, 0)
    step = (x1 - x0) / 14
    for k in range(0, 14, 2):
        drawing.canvas.fill(frame.rectangle(x0 + k * step, y0, x0 + (k + 1) * step, y1), shade(color, 1.07), None, None)
    for x in (x0 + step, x1 - step):
        y = (y0 + y1) / 2
        drawing.canvas.fill(frame.ellipse(x, y, step * 0.8, step * 0.9), (132, 122, 84), None, None, 0.28)


def pitch(drawing: Drawing, frame: Frame, long: float, wide: float, color: Color) -> Float64Array:
    """A football pitch with its lines; returns its outline in pixels (4, 2)."""
    a, b = long / 2, wide / 2
    _mow(drawing, frame, -a, -b, a, b, color)

    def line(points: list[tuple[float, float]]) -> None:
        for k in range(len(points) - 1):
            drawing.canvas.stroke(frame.world(points[k : k + 2]), 1.1, LINE, None, None, 0.9)

    i, j = a - 4, b - 4
    line([(-i, -j), (i, -j), (i, j), (-i, j), (-i, -j)])
    line([(0, -j), (0, j)])
    for side in (-1, 1):
        line(
            [
                (side * i, -j * 0.58),
                (side * (i - long * 0.155), -j * 0.58),
                (side * (i - long * 0.155), j * 0.58),
                (side * i, j * 0.58),
            ]
        )
        line(
            [
                (side * i, -j * 0.27),
                (side * (i - long * 0.052), -j * 0.27),
                (side * (i - long * 0.052), j * 0.27),
                (side * i, j * 0.27),
            ]
        )
    t = np.linspace(0, 2 * np.pi, 41)
    line([(float(x), float(y)) for x, y in zip(long * 0.087 * np.cos(t), long * 0.087 * np.sin(t), strict=True)])
    return frame.rectangle(-a, -b, a, b)


def draw_football_field(drawing: Drawing, site: Site) -> None:
    """A pitch with a margin, small stands and trees."""
    w, h = site.width / 2, site.height / 2
    margin = drawing.pick([(104, 116, 70), (126, 120, 86), (150, 84, 70), (92, 112, 68)])
    drawing.canvas.fill(site.outline, margin, Material.LAWN, 0)
    ring = pitch(drawing, site.frame, site.width - 18, site.height - 18, drawing.pick(TURF))
    if drawing.rng.random() < 0.6:
        ribbed_roof(drawing, site.frame.at(0, -h - 9), site.width * 0.5, 14, 9, drawing.pick(PALE))
    outer = site.frame.rectangle(-w - 8, -h - 8, w + 8, h + 8)
    for k in (1, 2, 3):
        if drawing.rng.random() < 0.7:
            hedge(drawing, np.stack((outer[k], outer[(k + 1) % 4])), (3, 6.5), 0.25)
    drawing.add("football_field", ring)


def _oval(frame: Frame, straight: float, radius: float) -> Float64Array:
    """A stadium-shaped ring (n, 2): two straights joined by half circles."""
    t = np.linspace(-np.pi / 2, np.pi / 2, 28)
    right = np.stack((straight / 2 + radius * np.cos(t), radius * np.sin(t)), axis=1)
    left = np.stack((-straight / 2 - radius * np.cos(t), -radius * np.sin(t)), axis=1)
    return frame.world(np.concatenate((right, left)))


def _track(drawing: Drawing, frame: Frame, straight: float, radius: float, lanes: int, color: Color) -> None:
    """Lanes around a pitch."""
    canvas = drawing.canvas
    width = lanes * 3.3
    canvas.fill(_oval(frame, straight, radius), color, Material.PAINT, 0)
    for lane in range(1, lanes):
        ring = _oval(frame, straight, radius - lane * 3.3)
        canvas.fill(Polygon(ring).exterior.buffer(0.45), (226, 214, 204), None, None, 0.55)
    inner = radius - width
    infield = drawing.pick(TURF)
    canvas.fill(_oval(frame, straight, inner), shade(infield, 0.94), Material.LAWN, 0)
    for side in (-1, 1):
        t = np.linspace(-np.pi / 2, np.pi / 2, 16)
        cap = np.stack((side * (straight / 2 + (inner - 5) * np.cos(t) * 0.93), (inner - 5) * np.sin(t)), axis=1)
        canvas.fill(frame.world(cap), shade(color, 0.97), Material.PAINT, 0, 0.0 if drawing.rng.random() < 0.4 else 0.9)
    drawing.add("football_field", pitch(drawing, frame, straight * 1.06, inner * 1.5, infield), "running_track")


def draw_running_track(drawing: Drawing, site: Site) -> None:
    """A running track with a pitch inside and a stand."""
    rng = drawing.rng
    radius = site.height / 2 - 8
    straight = site.width - 16 - 2 * radius
    drawing.canvas.fill(site.outline, drawing.pick([(112, 118, 76), (140, 132, 110)]), Material.LAWN, 0, 0.8)
    color = drawing.pick([(158, 92, 76), (148, 82, 70), (166, 104, 84), (140, 88, 82)], 0.05)
    _track(drawing, site.frame, straight, radius, int(rng.integers(6, 8)), color)
    side = -1 if rng.random() < 0.5 else 1
    stand = site.frame.at(0, side * (site.height / 2 + 7))
    drawing.canvas.fill(stand.rectangle(-straight / 2, -11, straight / 2, 11), (150, 148, 144), Material.CONCRETE, 5)
    ribbed_roof(drawing, stand.at(0, side * 5), straight * 0.8, 12, 13, drawing.pick(PALE))
    far = [(x, -side * (site.height / 2 + 8)) for x in np.linspace(-site.width / 2, site.width / 2, 22)]
    plant(drawing, site.frame.world(far), (4, 7))
    drawing.add("running_track", _oval(site.frame, straight, radius))


def draw_stadium(drawing: Drawing, site: Site) -> None:
    """A bowl: roof ring, steep stands in shade, a pitch (in some with a track); parking beside it."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    long, wide = site.width / 2 - 24, site.height / 2 - 24
    paving = drawing.pick([(150, 146, 140), (128, 126, 122), (162, 154, 142)])
    canvas.fill(frame.ellipse(0, 0, long + 22, wide + 22, 96), paving, Material.CONCRETE, 0)
    power = float(rng.choice([2.0, 2.7, 3.6]))
    roof = drawing.pick([(222, 222, 220), (206, 208, 212), (190, 196, 206), (228, 226, 220)], 0.03)
    seats = drawing.pick([(86, 92, 120), (120, 76, 72), (124, 122, 120), (80, 104, 98), (150, 140, 90)])
    bowl = _superellipse(frame, long, wide, power)
    canvas.fill(bowl, shade(roof, 0.8), Material.CONCRETE, 26)
    tiers = 12
    opening = float(rng.uniform(0.64, 0.72))
    for k in range(tiers):
        share = 1 - (1 - opening) * k / tiers
        canvas.fill(
            _superellipse(frame, long * share, wide * share, power),
            shade(roof, 1.0 - 0.010 * k),
            Material.METAL,
            30 - 0.3 * k,
        )
    for t in np.linspace(0, 2 * np.pi, 48, endpoint=False):
        outer, inner = _at(t, long, wide, power), _at(t, long * opening, wide * opening, power)
        canvas.stroke(frame.world([outer, inner]), 1.0, shade(roof, 0.8), None, None, 0.7)
    field = opening - 0.20
    for k in range(10):
        share = opening - (opening - field) * k / 10
        canvas.fill(
            _superellipse(frame, long * share, wide * share, power),
            shade(seats, 1.0 if k % 2 else 0.86),
            Material.CONCRETE,
            17 - 1.5 * k,
        )
    base = _superellipse(frame, long * field, wide * field, power)
    canvas.fill(base, drawing.pick([(92, 112, 66), (146, 88, 74), (84, 104, 64)]), Material.LAWN, 0)
    inside = pitch(drawing, frame, long * field * 1.56, wide * field * 1.44, drawing.pick(TURF))
    drawing.add("football_field", inside, "stadium")
    for sx in (-1, 1):
        for sy in (-1, 1):
            canvas.fill(
                frame.at(sx * long * 0.8, sy * wide * 0.82).rectangle(-3, -3, 3, 3), (214, 214, 214), Material.METAL, 44
            )
    for sx in (-1, 1):
        for sy in (-1, 1):
            corner = frame.at(sx * (site.width / 2 - 24), sy * (site.height / 2 - 20))
            if rng.random() < 0.7:
                canvas.fill(corner.rectangle(-22, -16, 22, 16), (112, 112, 110), Material.ASPHALT, 0)
                rows_of_cars(drawing, corner, -22, -16, 22, 16, 0.7)
    drawing.add("stadium", bowl)


def _at(t: float, rx: float, ry: float, power: float) -> tuple[float, float]:
    """The point of a superellipse at parameter t."""
    c, s = np.cos(t), np.sin(t)
    return float(rx * np.sign(c) * abs(c) ** (2 / power)), float(ry * np.sign(s) * abs(s) ** (2 / power))


def _superellipse(frame: Frame, rx: float, ry: float, power: float) -> Float64Array:
    """A rounded ring (96, 2), an ellipse at power 2, squarer above."""
    return frame.world([_at(t, rx, ry, power) for t in np.linspace(0, 2 * np.pi, 96, endpoint=False)])


def draw_baseball_field(drawing: Drawing, site: Site) -> None:
    """A quarter circle of turf, skinned infield, bases, mound, dugouts, a warning track and a backstop."""
    rng, canvas = drawing.rng, drawing.canvas
    reach = min(site.width, site.height) - 12
    home = site.frame.at(-reach / 2, reach / 2, -np.pi / 4)  # the field opens along local +x
    turf = drawing.pick([(84, 112, 62), (74, 106, 58), (104, 116, 66), (94, 110, 70)])
    clay = drawing.pick([(176, 134, 98), (164, 118, 84), (186, 148, 114), (170, 110, 78)], 0.04)
    canvas.fill(site.outline, drawing.vary((108, 114, 74)), Material.GRASS, 0, 0.65)
    t = np.linspace(-np.pi / 4, np.pi / 4, 40)

    def fan(radius: float, back: float = 0.0) -> Float64Array:
        arc = np.stack((radius * np.cos(t), radius * np.sin(t)), axis=1)
        return home.world(np.concatenate(([[-back, 0.0]], arc)))

    outline = fan(reach, 12)
    canvas.fill(outline, clay, Material.SOIL, 0)
    canvas.fill(fan(reach - 9), turf, Material.LAWN, 0)
    for k in range(0, 10, 2):
        a0, a1 = (np.pi / 2) * k / 10 - np.pi / 4, (np.pi / 2) * (k + 1) / 10 - np.pi / 4
        r = reach - 9
        canvas.fill(
            home.world([(0, 0), (r * np.cos(a0), r * np.sin(a0)), (r * np.cos(a1), r * np.sin(a1))]),
            shade(turf, 1.06),
            None,
            None,
        )
    side = reach * 0.30
    skin = np.stack(
        (
            side * 0.72 + side * 0.78 * np.cos(np.linspace(-2.2, 2.2, 40)),
            side * 0.95 * np.sin(np.linspace(-2.2, 2.2, 40)),
        ),
        axis=1,
    )
    canvas.fill(home.world(np.concatenate((skin, [[-7, 5], [-7, -5]]))), clay, Material.SOIL, 0)
    diamond = home.at(0, 0, -np.pi / 4)
    if rng.random() < 0.75:
        canvas.fill(diamond.rectangle(6, 6, side - 5, side - 5), shade(turf, 0.97), Material.LAWN, 0)
    canvas.fill(diamond.ellipse(side / 2, side / 2, 5.4, 5.4, 20), clay, Material.SOIL, 0.5)
    canvas.fill(home.ellipse(0, 0, 10, 10, 24), clay, Material.SOIL, 0)
    for x, y in ((0, 0), (side, 0), (side, side), (0, side)):
        canvas.fill(diamond.at(x, y).rectangle(-1.4, -1.4, 1.4, 1.4), (240, 240, 236), Material.PAINT, None)
    for line in ([(0, 0), (reach - 4, 0)], [(0, 0), (0, reach - 4)]):
        canvas.stroke(diamond.world(line), 1.2, LINE, None, None, 0.9)
    for x, y, turn in ((side * 0.5, -11, 0.0), (-11, side * 0.5, np.pi / 2)):
        flat_roof(drawing, diamond.at(x, y, turn), 26, 6, 5, (130, 142, 150), False)
    canvas.stroke(
        home.world(np.stack((-16 + 6 * np.cos(t * 2 + np.pi), 24 * np.sin(t * 2)), axis=1)),
        8,
        (158, 156, 150),
        Material.CONCRETE,
        6,
    )
    rim = home.world(np.stack(((reach + 7) * np.cos(t), (reach + 7) * np.sin(t)), axis=1))
    hedge(drawing, rim, (3, 6), 0.35)
    drawing.add("baseball_field", outline)


def draw_tennis_courts(drawing: Drawing, site: Site) -> None:
    """A block of courts in rows: coloured surface, playing area in a second colour, lines, nets, fences."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    w, h = site.width / 2, site.height / 2
    schemes: list[tuple[Color, Color]] = [
        ((92, 128, 100), (74, 100, 142)),
        ((94, 130, 98), (160, 92, 76)),
        ((156, 94, 78), (88, 126, 98)),
        ((84, 122, 104), (104, 142, 116)),
        ((170, 102, 78), (184, 112, 84)),
    ]
    outer, inner = schemes[int(rng.integers(len(schemes)))]
    canvas.fill(frame.rectangle(-w, -h, w, h), drawing.pick([(150, 148, 142), (108, 116, 74)]), Material.CONCRETE, 0)
    columns, rows = max(2, int(site.width // 44)), max(2, int(site.height // 78))
    cw, ch = (site.width - 14) / columns, (site.height - 14) / rows
    for row in range(rows):
        gap = 4.0
        y0 = -h + 7 + row * ch
        base = drawing.vary(outer, 0.04)
        canvas.fill(frame.rectangle(-w + 7, y0 + gap, w - 7, y0 + ch - gap), base, Material.PAINT, 0)
        for col in range(columns):
            court = frame.at(-w + 7 + (col + 0.5) * cw, y0 + ch / 2)
            _court(drawing, court, min(cw * 0.60, 26.0), min(ch * 0.72, 58.0), inner)
            drawing.add(
                "tennis_court", court.rectangle(-cw / 2 + 1, -ch / 2 + gap, cw / 2 - 1, ch / 2 - gap), "tennis_courts"
            )
        for y in (y0 + gap, y0 + ch - gap):
            canvas.stroke(frame.world([(-w + 7, y), (w - 7, y)]), 0.9, (70, 82, 74), None, 3)
    ring = frame.rectangle(-w - 6, -h - 6, w + 6, h + 6)
    for k in range(4):
        if rng.random() < 0.6:
            hedge(drawing, np.stack((ring[k], ring[(k + 1) % 4])), (3, 6), 0.2)
    drawing.add("tennis_courts", site.outline)


def _court(drawing: Drawing, frame: Frame, wide: float, long: float, color: Color) -> None:
    """One court, the net along the local x axis."""
    a, b = wide / 2, long / 2
    drawing.canvas.fill(frame.rectangle(-a, -b, a, b), drawing.vary(color, 0.03), Material.PAINT, 0)
    i = a * 0.74
    for points in (
        [(-a, -b), (a, -b)],
        [(-a, b), (a, b)],
        [(-a, -b), (-a, b)],
        [(a, -b), (a, b)],
        [(-i, -b), (-i, b)],
        [(i, -b), (i, b)],
        [(-i, -b * 0.54), (i, -b * 0.54)],
        [(-i, b * 0.54), (i, b * 0.54)],
        [(0, -b * 0.54), (0, b * 0.54)],
    ):
        drawing.canvas.stroke(frame.world(points), 1.0, LINE, None, None, 0.9)
    drawing.canvas.stroke(frame.world([(-a - 2, 0), (a + 2, 0)]), 1.1, (60, 66, 64), None, 2, 0.9)
