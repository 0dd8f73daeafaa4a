"""The railway and its station."""

from __future__ import annotations

import numpy as np

from engine.demo.scene.buildings import PALE, flat_roof, ribbed_roof, shade
from engine.demo.scene.canvas import Color
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.layout import Plan, Site
from engine.demo.scene.materials import Material
from engine.demo.scene.parking import rows_of_cars
from engine.demo.scene.roads import offset_line
from engine.demo.scene.vegetation import along, plant
from engine.types import Float64Array

BALLAST: Color = (120, 110, 102)
_TRAINS: list[Color] = [(206, 208, 212), (92, 120, 168), (164, 66, 58), (96, 128, 104), (180, 176, 164)]


def _track(drawing: Drawing, line: Float64Array) -> None:
    """One track: sleepers' brown band and two bright rails."""
    drawing.canvas.stroke(line, 5.2, (96, 86, 80), Material.SOIL, None, 0.8)
    for side in (-1, 1):
        drawing.canvas.stroke(offset_line(line, side * 1.5), 0.7, (158, 152, 148), None, None, 0.85)


def draw_railway(drawing: Drawing, plan: Plan) -> None:
    """Two tracks on ballast from edge to edge, bushes along the embankment."""
    if plan.railway is None:
        return
    line = plan.railway
    drawing.canvas.stroke(line, 46, drawing.vary((116, 112, 80)), Material.GRASS, 0, 0.6)
    drawing.canvas.stroke(line, 25, drawing.vary(BALLAST, 0.05), Material.SOIL, 0)
    for side in (-5.5, 5.5):
        _track(drawing, offset_line(line, side))
    for side in (-25, 25):
        points = along(drawing, offset_line(line, side), 13, 3)
        plant(drawing, points[drawing.rng.random(len(points)) < 0.4], (2.5, 5))


def _train(drawing: Drawing, line: Float64Array, color: Color, cars: int, start: int) -> None:
    """Coaches along a track line, from one of its samples on."""
    ahead = np.diff(line, axis=0)
    run = np.concatenate(([0.0], np.cumsum(np.hypot(ahead[:, 0], ahead[:, 1]))))
    begin = run[start]
    for k in range(cars):
        ends = np.array([begin + k * 44, begin + k * 44 + 41])
        if ends[1] > run[-1]:
            return
        coach = np.stack((np.interp(ends, run, line[:, 0]), np.interp(ends, run, line[:, 1])), axis=1)
        drawing.canvas.stroke(coach, 6.2, color, Material.METAL, 7)
        drawing.canvas.stroke(coach, 2.0, shade(color, 0.86), None, None, 0.9)


def draw_station(drawing: Drawing, site: Site, plan: Plan) -> None:
    """A fan of tracks with roofed platforms, trains, the hall with its forecourt on one side, sidings on the other."""
    if plan.railway is None:
        return
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    w, h = site.width / 2, site.height / 2
    off = np.hypot(*(plan.railway - (frame.x, frame.y)).T)
    near = plan.railway[off < w + 60]
    spacing = 13.0
    tracks = 8
    centre = (tracks - 1) / 2
    # Tracks leave the line and spread out: an envelope that is 0 at both ends.
    t = np.linspace(0, 1, len(near))
    spread = np.clip(np.minimum(t, 1 - t) * 5.0, 0, 1)
    spread = spread * spread * (3 - 2 * spread)
    half = tracks * spacing / 2 + 6
    ahead = np.gradient(near, axis=0)
    normal = np.stack((-ahead[:, 1], ahead[:, 0]), axis=1) / np.hypot(ahead[:, 0], ahead[:, 1])[:, None]
    lines: list[Float64Array] = []
    reach = (half * spread + 13)[:, None]
    bed = np.concatenate((near + normal * reach, (near - normal * reach)[::-1]))
    canvas.fill(bed, drawing.pick([BALLAST, (134, 124, 112), (108, 104, 104)]), Material.SOIL, 0)
    for k in range(tracks):
        at = (k - centre) * spacing
        lines.append(near + normal * (at * spread + (1 - spread) * (5.5 if at > 0 else -5.5))[:, None])
        _track(drawing, lines[-1])
    inner = (t > 0.26) & (t < 0.74)
    roof = drawing.pick([(206, 208, 210), (120, 148, 190), (178, 178, 176), (196, 190, 178)], 0.04)
    for k in (0, 2, 4, 6):
        platform = (lines[k] + lines[k + 1])[inner] / 2
        canvas.stroke(platform, 8.4, (176, 170, 160), Material.CONCRETE, 2)
        canvas.stroke(platform[2:-2], 7.4, roof, Material.METAL, 9)
        canvas.stroke(platform[2:-2], 1.2, shade(roof, 0.8), None, None, 0.8)
    for k in range(tracks):
        if rng.random() < 0.5:
            start = int(rng.integers(int(len(near) * 0.22), max(int(len(near) * 0.4), int(len(near) * 0.22) + 1)))
            _train(drawing, lines[k], drawing.pick(_TRAINS), int(rng.integers(4, 9)), start)
    side = -1.0 if rng.random() < 0.5 else 1.0
    front = side * (half + 12)
    canvas.fill(
        frame.rectangle(-w * 0.55, front - 4 * side, w * 0.55, side * h),
        drawing.vary((160, 154, 144)),
        Material.CONCRETE,
        0,
    )
    ribbed_roof(drawing, frame.at(0, front + side * 21), w * 0.72, 40, 20, drawing.pick(PALE))
    flat_roof(drawing, frame.at(0, front + side * 20), w * 0.2, 50, 26, drawing.pick(PALE))
    canvas.fill(frame.rectangle(-7, -half, 7, half), shade(roof, 1.03), Material.METAL, 15)
    top, bottom = sorted((front + side * 48, side * (h - 4)))
    canvas.fill(frame.rectangle(-w * 0.5, top, w * 0.5, bottom), (116, 114, 112), Material.ASPHALT, 0)
    rows_of_cars(drawing, frame, -w * 0.48, top + 2, -w * 0.12, bottom, 0.75)
    rows_of_cars(drawing, frame, w * 0.12, top + 2, w * 0.48, bottom, 0.75)
    plant(
        drawing, along(drawing, frame.world([(-w * 0.55, side * (h - 2)), (w * 0.55, side * (h - 2))]), 13, 2), (3.5, 6)
    )
    back = -side * (half + 34)
    for x in np.arange(-w * 0.6, w * 0.5, 130):
        if rng.random() < 0.7:
            ribbed_roof(
                drawing,
                frame.at(float(x) + 50, back),
                104,
                34,
                13,
                drawing.pick([(160, 150, 140), (146, 92, 76), (120, 132, 150)]),
            )
    drawing.add(
        "railway_station",
        frame.rectangle(-w * 0.92, -half - 30 if side > 0 else -h, w * 0.92, h if side > 0 else half + 30),
    )
