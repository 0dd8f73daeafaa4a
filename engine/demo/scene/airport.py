"""An airport: runway, taxiways, apron with parked planes, terminal with piers, hangars and a car park."""

from __future__ import annotations

import numpy as np

from engine.demo.scene.buildings import PALE, flat_roof, ribbed_roof, shade
from engine.demo.scene.canvas import Color, Frame
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.layout import Site
from engine.demo.scene.materials import Material
from engine.demo.scene.parking import rows_of_cars
from engine.demo.scene.roads import CAR_COLORS, dashes
from engine.types import Float64Array

WHITE: Color = (224, 224, 220)
_TAILS: list[Color] = [(60, 80, 132), (160, 58, 54), (70, 110, 96), (200, 200, 204), (46, 52, 70), (206, 150, 66)]


def draw_plane(drawing: Drawing, frame: Frame, length: float) -> None:
    """A jet from above, nose along +x: swept wings, engines, tail plane, tail fin in an airline's colour."""
    canvas = drawing.canvas
    s = length / 40
    white = drawing.pick([(232, 232, 232), (222, 224, 228), (214, 214, 216)], 0.03)
    wing = shade(white, 0.93)
    for side in (-1.0, 1.0):
        canvas.fill(
            frame.world(np.array([(5.5, 0), (-4.5, side * 18.5), (-7.2, side * 18.5), (-3.5, 0)]) * s),
            wing,
            Material.METAL,
            4,
        )
        canvas.fill(
            frame.world(np.array([(-15.5, 0), (-19.2, side * 7.2), (-20.8, side * 7.2), (-18.6, 0)]) * s),
            wing,
            Material.METAL,
            5,
        )
        canvas.fill(
            frame.world(np.array([(4.2, side * 5.2), (4.2, side * 7.3), (-0.2, side * 7.3), (-0.2, side * 5.2)]) * s),
            shade(white, 0.72),
            Material.METAL,
            3.6,
        )
    t = np.linspace(-np.pi / 2, np.pi / 2, 9)
    nose = np.stack((16.5 + 3.6 * np.cos(t), 2.0 * np.sin(t)), axis=1)
    body = np.concatenate((nose, [(-12, 2.0), (-20, 0.5), (-20, -0.5), (-12, -2.0)])) * s
    canvas.fill(frame.world(body), white, Material.METAL, 6)
    canvas.fill(
        frame.world(np.array([(-14, 0.7), (-20.5, 0.6), (-20.5, -0.6), (-14, -0.7)]) * s),
        drawing.pick(_TAILS),
        Material.METAL,
        9,
    )
    outline = np.array(
        [
            (20, 0),
            (18.5, 2),
            (5.5, 2),
            (-4.5, 18.5),
            (-7.2, 18.5),
            (-3.8, 2),
            (-12, 2),
            (-16, 1.6),
            (-19.2, 7.2),
            (-20.8, 7.2),
            (-19.5, 1),
            (-19.5, -1),
            (-20.8, -7.2),
            (-19.2, -7.2),
            (-16, -1.6),
            (-12, -2),
            (-3.8, -2),
            (-7.2, -18.5),
            (-4.5, -18.5),
            (5.5, -2),
            (18.5, -2),
        ]
    )
    drawing.add("plane", frame.world(outline * s), "airport")


def draw_airport(drawing: Drawing, site: Site) -> None:
    """The whole airfield; the runway lies along the local x axis at negative y."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    w, h = site.width / 2, site.height / 2
    grass = drawing.pick([(116, 120, 78), (104, 114, 72), (126, 120, 84)])
    canvas.fill(site.outline, grass, Material.GRASS, 0, 0.55)
    concrete = drawing.pick([(170, 166, 156), (158, 154, 146), (180, 172, 158)], 0.03)
    tarmac = drawing.pick([(118, 116, 112), (132, 128, 122), (104, 102, 100)], 0.03)
    y_runway, y_taxi = -h + 48, -h + 148
    apron_w = w * float(rng.uniform(0.60, 0.74))
    apron_x = float(rng.uniform(-0.16, 0.16)) * w
    apron = (apron_x - apron_w, y_taxi + 44, apron_x + apron_w, h - 124)
    # Taxiways first: the runway and the apron lie over their ends.
    for x in (-w + 46, -w * 0.42, w * 0.05, w * 0.5, w - 46):
        _taxiway(drawing, frame.world([(x, y_runway), (x, y_taxi)]), tarmac)
    for x in (apron[0] + 60, apron_x, apron[2] - 60):
        _taxiway(drawing, frame.world([(x, y_taxi), (x, apron[1] + 6)]), tarmac)
    _taxiway(drawing, frame.world([(-w + 34, y_taxi), (w - 34, y_taxi)]), tarmac)
    _runway(drawing, frame, w - 20, y_runway, tarmac)
    canvas.fill(frame.rectangle(*apron), concrete, Material.CONCRETE, 0)
    for x in np.arange(apron[0] + 22, apron[2], 22):
        canvas.stroke(frame.world([(x, apron[1]), (x, apron[3])]), 0.7, shade(concrete, 0.88), None, None, 0.7)
    for y in np.arange(apron[1] + 22, apron[3], 22):
        canvas.stroke(frame.world([(apron[0], y), (apron[2], y)]), 0.7, shade(concrete, 0.88), None, None, 0.7)
    for _ in range(60):
        x, y = rng.uniform(apron[0] + 12, apron[2] - 12), rng.uniform(apron[1] + 8, apron[3] - 8)
        canvas.fill(
            frame.ellipse(x, y, rng.uniform(4, 16), rng.uniform(2, 6), 16), shade(concrete, 0.78), None, None, 0.25
        )
    _terminal(drawing, frame, apron, h)
    for x in np.arange(apron[0] + 50, apron[2] - 40, 62):
        if rng.random() < 0.62:
            draw_plane(
                drawing, frame.at(float(x), apron[1] + 34, np.pi / 2 + rng.normal(0, 0.05)), float(rng.uniform(34, 44))
            )
    for x in np.arange(apron[0] + 80, apron[2] - 60, 74):
        if apron[3] - apron[1] > 250 and rng.random() < 0.55:
            turn = np.pi / 2 + rng.normal(0, 0.05)
            draw_plane(drawing, frame.at(float(x), (apron[1] + apron[3]) / 2 - 22, turn), float(rng.uniform(34, 44)))
    for x, turn in ((-w + 90, 0.0), (w * 0.28, np.pi)):
        draw_plane(drawing, frame.at(x, y_taxi if turn else y_runway, turn), float(rng.uniform(38, 46)))
    _hangars(drawing, frame, apron, w, h)
    drawing.add("airport", site.outline)


def _taxiway(drawing: Drawing, line: Float64Array, color: Color) -> None:
    """A strip with paved shoulders and a yellow centre line."""
    drawing.canvas.stroke(line, 38, shade(color, 1.1), Material.ASPHALT, 0, 0.5)
    drawing.canvas.stroke(line, 25, color, Material.ASPHALT, 0)
    drawing.canvas.stroke(line, 1.1, (190, 166, 80), None, None, 0.8)


def _runway(drawing: Drawing, frame: Frame, half: float, y: float, color: Color) -> None:
    """Asphalt with threshold bars, touchdown marks, centre line and rubber streaks."""
    canvas, rng = drawing.canvas, drawing.rng
    width = 27.0
    canvas.fill(
        frame.rectangle(-half - 8, y - width - 7, half + 8, y + width + 7), shade(color, 1.16), Material.ASPHALT, 0, 0.8
    )
    runway = frame.rectangle(-half, y - width, half, y + width)
    canvas.fill(runway, shade(color, 0.92), Material.ASPHALT, 0)
    for side in (-1, 1):
        canvas.stroke(
            frame.world([(-half, y + side * (width - 2)), (half, y + side * (width - 2))]), 1.2, WHITE, None, None, 0.8
        )
        for k in range(-6, 7):
            if k:
                top = y + k * 3.6
                canvas.fill(
                    frame.rectangle(side * (half - 8), top - 1.1, side * (half - 40), top + 1.1),
                    WHITE,
                    Material.PAINT,
                    None,
                    0.9,
                )
        for x, pairs in ((120, 3), (180, 2), (240, 1)):
            for k in range(pairs):
                for wing in (-1, 1):
                    top = y + wing * (8 + 4 * k)
                    canvas.fill(
                        frame.rectangle(side * (half - x), top - 1.3, side * (half - x - 26), top + 1.3),
                        WHITE,
                        Material.PAINT,
                        None,
                        0.85,
                    )
        for _ in range(26):
            at, off = half - rng.uniform(90, 330), rng.normal(0, 5)
            canvas.stroke(
                frame.world([(side * at, y + off), (side * (at - rng.uniform(30, 90)), y + off)]),
                rng.uniform(1, 2.5),
                (56, 56, 56),
                None,
                None,
                0.22,
            )
    dashes(drawing, frame.world([(-half + 60, y), (half - 60, y)]), 34, 20, 1.5, 0.9)
    drawing.add("runway", runway, "airport")


def _terminal(drawing: Drawing, frame: Frame, apron: tuple[float, float, float, float], h: float) -> None:
    """A long hall with piers into the apron, planes at their gates, and the car park behind it."""
    rng = drawing.rng
    roof = drawing.pick(PALE)
    x0, x1, y = apron[0] + 30, apron[2] - 30, apron[3]
    ribbed_roof(drawing, frame.at((x0 + x1) / 2, y + 14), x1 - x0, 46, 15, roof)
    piers = int(rng.integers(3, 5))
    reach = float(rng.uniform(80, 100))
    for k in range(piers):
        x = x0 + (x1 - x0) * (k + 0.5) / piers
        flat_roof(drawing, frame.at(x, y - reach / 2 + 2), 20, reach, 11, shade(roof, 0.95), False)
        flat_roof(drawing, frame.at(x, y - reach), 36, 24, 12, shade(roof, 1.04), False)
        for side in (-1, 1):
            for gate in (-0.30, -0.82):
                nose = frame.at(x + side * 33, y + gate * reach, 0.0 if side < 0 else np.pi)
                drawing.canvas.stroke(
                    frame.world([(x + side * 9, y + gate * reach + 5), (x + side * 17, y + gate * reach + 5)]),
                    3.4,
                    (150, 150, 150),
                    Material.METAL,
                    7,
                )
                if rng.random() < 0.88:
                    draw_plane(drawing, nose, float(rng.uniform(36, 42)))
                for _ in range(3):
                    cart = frame.at(
                        x + side * rng.uniform(14, 50), y + gate * reach + rng.uniform(-22, 22), rng.uniform(0, 6)
                    )
                    drawing.canvas.fill(
                        cart.rectangle(-2.4, -1.2, 2.4, 1.2), drawing.pick(CAR_COLORS), Material.PAINT, 2
                    )
    drawing.canvas.fill(frame.rectangle(x0, y + 38, x1, y + 50), (128, 126, 122), Material.ASPHALT, 0)
    lot = (x0 + 20, y + 52, x1 - 20, h - 4)
    drawing.canvas.fill(frame.rectangle(*lot), (112, 112, 110), Material.ASPHALT, 0)
    rows_of_cars(drawing, frame, *lot, 0.8)
    drawing.add("parking_lot", frame.rectangle(*lot), "airport")


def _hangars(drawing: Drawing, frame: Frame, apron: tuple[float, float, float, float], w: float, h: float) -> None:
    """Hangars and a control tower beside the apron."""
    rng = drawing.rng
    for x0, x1 in ((-w + 14, apron[0] - 20), (apron[2] + 20, w - 14)):
        if x1 - x0 < 70:
            continue
        drawing.canvas.fill(frame.rectangle(x0, -40, x1, h - 40), (150, 146, 138), Material.CONCRETE, 0)
        for y in np.arange(-4, h - 80, 84):
            ribbed_roof(
                drawing,
                frame.at((x0 + x1) / 2, float(y) + 30, 0),
                min(x1 - x0 - 16, 120),
                62,
                17,
                drawing.pick([(196, 198, 200), (126, 148, 180), (176, 176, 172)]),
            )
    tower_x = float(rng.uniform(apron[0], apron[2]))
    flat_roof(drawing, frame.at(tower_x, apron[3] + 46), 13, 13, 34, (206, 204, 200), False)
