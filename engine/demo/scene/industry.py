"""Storage tanks and industrial estates."""

from __future__ import annotations

import numpy as np

from engine.demo.scene.buildings import METAL_ROOFS, flat_roof, ribbed_roof, shade
from engine.demo.scene.canvas import Color
from engine.demo.scene.districts import district_blocks
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.layout import Site
from engine.demo.scene.materials import Material
from engine.demo.scene.parking import rows_of_cars
from engine.demo.scene.roads import CAR_COLORS
from engine.demo.scene.vegetation import hedge


def draw_storage_tanks(drawing: Drawing, site: Site) -> None:
    """A tank farm: white or pale green tanks in bunded yards, pipes between, a pump house."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    w, h = site.width / 2, site.height / 2
    ground = drawing.pick([(136, 126, 108), (112, 108, 98), (150, 142, 126), (118, 116, 88)])
    canvas.fill(site.outline, shade(ground, 1.12), Material.CONCRETE, 0)
    canvas.fill(frame.rectangle(-w + 5, -h + 5, w - 5, h - 5), ground, Material.SOIL, 0)
    columns, rows = int(2 * w / 80), int(2 * h / 80)
    cell_w, cell_h = 2 * (w - 5) / columns, 2 * (h - 5) / rows
    coats: list[Color] = [(232, 232, 228), (214, 216, 214), (176, 198, 188), (200, 192, 174)]
    first, second = (coats[i] for i in rng.choice(len(coats), 2, replace=False, p=[0.45, 0.25, 0.15, 0.15]))
    for col in range(columns):
        for row in range(rows):
            x, y = -w + 5 + (col + 0.5) * cell_w, -h + 5 + (row + 0.5) * cell_h
            ring = frame.rectangle(x - cell_w / 2 + 3, y - cell_h / 2 + 3, x + cell_w / 2 - 3, y + cell_h / 2 - 3)
            for k in range(4):
                canvas.stroke(np.stack((ring[k], ring[(k + 1) % 4])), 2.6, shade(ground, 1.22), Material.SOIL, 2.2)
            canvas.stroke(frame.world([(x, y), (x, y + cell_h / 2)]), 1.8, (170, 168, 160), Material.METAL, 2)
            if rng.random() < 0.93:
                _tank(drawing, site, x, y, float(rng.uniform(22, 33)), first if rng.random() < 0.7 else second)
    for y in np.linspace(-h + 5, h - 5, rows + 1)[1:-1]:
        for pipe in (-2.4, 0, 2.4):
            canvas.stroke(frame.world([(-w + 6, y + pipe), (w - 6, y + pipe)]), 1.2, (164, 160, 150), Material.METAL, 2)
    drawing.add("storage_tanks", site.outline)


def _tank(drawing: Drawing, site: Site, x: float, y: float, radius: float, coat: Color) -> None:
    """One tank: wall, roof (conical, or floating and sunk), seams, stair."""
    canvas, rng, frame = drawing.canvas, drawing.rng, site.frame
    tall = float(rng.uniform(13, 22))
    color = drawing.vary(coat, 0.04, 0.012)
    canvas.fill(frame.ellipse(x, y, radius + 1, radius + 1), shade(color, 0.72), Material.METAL, tall)
    canvas.fill(frame.ellipse(x, y, radius, radius), color, Material.METAL, tall)
    if rng.random() < 0.3:
        canvas.fill(frame.ellipse(x, y, radius - 3, radius - 3), shade(color, 0.84), Material.METAL, tall - 6)
        canvas.stroke(frame.world([(x - radius + 2, y), (x, y + 2)]), 1.6, (120, 120, 118), Material.METAL, tall)
    else:
        sun_x, sun_y, _ = canvas.sun.vector
        c, s = np.cos(frame.angle), np.sin(frame.angle)
        lit = float(np.arctan2(-s * sun_x + c * sun_y, c * sun_x + s * sun_y))
        for k in range(16):
            a0, a1 = k * np.pi / 8, (k + 1) * np.pi / 8
            glow = 1 + 0.075 * float(np.cos((a0 + a1) / 2 - lit))
            wedge = [
                (x, y),
                (x + radius * np.cos(a0), y + radius * np.sin(a0)),
                (x + radius * np.cos(a1), y + radius * np.sin(a1)),
            ]
            canvas.fill(frame.world(wedge), shade(color, glow), Material.METAL, None, 0.9)
        canvas.fill(frame.ellipse(x, y, 2.4, 2.4, 12), shade(color, 0.62), Material.METAL, tall + 2)
        ray = float(rng.uniform(0, 2 * np.pi))
        canvas.stroke(
            frame.world([(x, y), (x + radius * np.cos(ray), y + radius * np.sin(ray))]),
            1.2,
            shade(color, 0.66),
            None,
            None,
            0.9,
        )
    drawing.add("tank", frame.ellipse(x, y, radius, radius), "storage_tanks")


def draw_industrial(drawing: Drawing, site: Site) -> None:
    """Large sheds with metal roofs in yards, a grid of wide lanes, lorries, stacks of goods."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    ground = drawing.pick([(148, 142, 132), (134, 130, 124), (160, 150, 134)])
    blocks, district = district_blocks(drawing, site, 150)
    canvas.fill(district, ground, Material.CONCRETE, 0)
    palette = [METAL_ROOFS[i] for i in rng.choice(len(METAL_ROOFS), 4, replace=False)]
    for x0, y0, x1, y1 in blocks:
        canvas.fill(
            frame.rectangle(x0 + 5, y0 + 5, x1 - 5, y1 - 5),
            drawing.vary(shade(ground, 0.94), 0.05),
            Material.CONCRETE,
            0,
        )
        x0, y0, x1, y1 = x0 + 9, y0 + 9, x1 - 9, y1 - 9
        kind = rng.random()
        if kind < 0.13:
            canvas.fill(frame.rectangle(x0, y0, x1, y1), (118, 116, 112), Material.ASPHALT, 0)
            rows_of_cars(drawing, frame, x0, y0, x1, y1, 0.6)
            drawing.add("parking_lot", frame.rectangle(x0, y0, x1, y1), "industrial")
        elif kind < 0.25:
            for _ in range(50):
                cx, cy = rng.uniform(x0 + 8, x1 - 8), rng.uniform(y0 + 5, y1 - 5)
                color = drawing.pick([(150, 70, 56), (72, 96, 140), (170, 164, 150), (96, 120, 96), (130, 110, 84)])
                canvas.fill(frame.rectangle(cx - 6, cy - 2.5, cx + 6, cy + 2.5), color, Material.METAL, 5)
        else:
            _sheds(drawing, site, (x0, y0, x1, y1), palette)
        if rng.random() < 0.45:
            hedge(drawing, frame.world([(x0 - 4, y0 - 5), (x1 + 4, y0 - 5)]), (2.5, 5), 0.3)
    hedge(drawing, np.asarray(district.exterior.coords), (3, 6.5), 0.4)
    drawing.add("industrial", district)


def _sheds(drawing: Drawing, site: Site, yard: tuple[float, float, float, float], palette: list[Color]) -> None:
    """One to four sheds side by side in a yard, lorries beside them."""
    rng, frame = drawing.rng, site.frame
    x0, y0, x1, y1 = yard
    strip = float(rng.uniform(12, 26))
    y1 -= strip
    bays = max(1, round((y1 - y0) / rng.uniform(45, 90)))
    color = palette[int(rng.integers(len(palette)))]
    tall = float(rng.uniform(12, 20))
    for k in range(bays):
        depth = (y1 - y0) / bays
        cy = y0 + (k + 0.5) * depth
        if rng.random() < 0.18:
            flat_roof(
                drawing,
                frame.at((x0 + x1) / 2, cy),
                x1 - x0,
                depth - 1,
                tall,
                drawing.pick([(178, 174, 168), (146, 142, 136)]),
            )
        else:
            ribbed_roof(drawing, frame.at((x0 + x1) / 2, cy), x1 - x0, depth - 1, tall, drawing.vary(color, 0.05))
    for x in np.arange(x0 + 8, x1 - 6, 11):
        if rng.random() < 0.45:
            place = frame.at(float(x), y1 + strip / 2 + 2, np.pi / 2)
            long = float(rng.choice([8.0, 14.0]))
            drawing.canvas.fill(
                place.rectangle(-long / 2, -2.4, long / 2, 2.4), drawing.pick(CAR_COLORS), Material.PAINT, 4
            )
