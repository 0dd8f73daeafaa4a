"""Parking lots: rows of bays, cars in most of them, lanes between."""

from __future__ import annotations

import numpy as np

from engine.demo.scene.canvas import Frame
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.layout import Site
from engine.demo.scene.materials import Material
from engine.demo.scene.noise import fractal_noise
from engine.demo.scene.roads import MARKING, car
from engine.demo.scene.vegetation import hedge, plant

BAY, DEPTH, LANE = 5.6, 11.0, 13.0


def rows_of_cars(drawing: Drawing, frame: Frame, x0: float, y0: float, x1: float, y1: float, full: float) -> None:
    """Double rows of bays along the local x axis; ``full`` is the share of taken bays."""
    rng, canvas = drawing.rng, drawing.canvas
    busy = fractal_noise(32, 32, 10, 2, rng)
    y = y0 + 3
    while y + 2 * DEPTH < y1:
        for side in (0, 1):
            top = y + side * DEPTH
            for x in np.arange(x0 + 4, x1 - BAY, BAY):
                canvas.stroke(frame.world([(x, top + 0.5), (x, top + DEPTH - 0.5)]), 0.7, MARKING, None, None, 0.5)
                u, v = int((x - x0) / (x1 - x0) * 31), int((y - y0) / (y1 - y0) * 31)
                if rng.random() < full + 0.22 * busy[v, u]:
                    place = frame.at(
                        float(x) + BAY / 2,
                        top + DEPTH / 2 + rng.normal(0, 0.4),
                        np.pi / 2 + np.pi * (rng.random() < 0.5),
                    )
                    car(drawing, place, 8.8)
        canvas.stroke(frame.world([(x0 + 4, y + DEPTH), (x1 - 4, y + DEPTH)]), 0.8, MARKING, None, None, 0.5)
        y += 2 * DEPTH + LANE


def draw_parking_lot(drawing: Drawing, site: Site) -> None:
    """One large lot with tree islands or lamp strips and a hedge around it."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    w, h = site.width / 2 - 6, site.height / 2 - 6
    surface = drawing.pick([(104, 104, 104), (122, 120, 116), (92, 92, 94), (148, 142, 132)], 0.04)
    lot = frame.rectangle(-w, -h, w, h)
    canvas.fill(frame.rectangle(-w - 5, -h - 5, w + 5, h + 5), (156, 150, 138), Material.CONCRETE, 0)
    canvas.fill(lot, surface, Material.ASPHALT, 0)
    rows_of_cars(drawing, frame, -w + 12, -h + 8, w - 12, h - 6, float(rng.uniform(0.62, 0.85)))
    if rng.random() < 0.5:
        for x in (-w * 0.34, w * 0.34):
            canvas.fill(frame.rectangle(x - 5, -h + 10, x + 5, h - 10), (96, 108, 66), Material.LAWN, 0)
            plant(drawing, frame.world([(x, y) for y in np.arange(-h + 16, h - 12, 17)]), (3, 5))
    for side in range(4):
        if rng.random() < 0.5:
            ring = frame.rectangle(-w - 10, -h - 10, w + 10, h + 10)
            hedge(drawing, np.stack((ring[side], ring[(side + 1) % 4])), (2.5, 5), 0.2)
    drawing.add("parking_lot", lot)
