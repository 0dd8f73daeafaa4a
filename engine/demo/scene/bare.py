"""Bare land: a worked-over site of raw soil with vehicle tracks and heaps."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from shapely.geometry import LineString

from engine.demo.scene.districts import blob
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.layout import Site, smooth_line
from engine.demo.scene.materials import Material
from engine.demo.scene.noise import fractal_noise


def draw_bare_land(drawing: Drawing, site: Site) -> None:
    """Soil in two tones with an uneven, fading edge; the polygon follows where soil prevails."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    outline = blob(drawing, frame, site.width / 2 - 8, site.height / 2 - 8, 0.12, 2.6)
    whole, inside = canvas.cover(outline.buffer(8)), canvas.cover(outline)
    if whole is None or inside is None:
        return
    window, coverage = whole
    rows, cols = inside[0]
    top, left = rows.start - window[0].start, cols.start - window[1].start
    coverage = np.zeros_like(coverage)
    coverage[top : top + inside[1].shape[0], left : left + inside[1].shape[1]] = inside[1]
    h, w = coverage.shape
    # The edge is torn by noise, half a transition width to either side of the outline.
    torn = np.clip(ndimage.gaussian_filter(coverage, 6) * 2 - 0.5 + 0.35 * fractal_noise(h, w, 24, 3, rng), 0, 1)
    first = np.asarray(
        drawing.pick([(178, 156, 126), (164, 148, 128), (186, 168, 142), (160, 132, 108)]), dtype=np.float32
    )
    soil = (float(first[0]) * 0.96, float(first[1]) * 0.96, float(first[2]) * 0.96)
    second = first * np.asarray([0.84, 0.82, 0.80], dtype=np.float32)
    mix = np.clip(0.5 + 0.6 * fractal_noise(h, w, 110, 5, rng, 0.62), 0, 1)[..., None]
    canvas.paint(window, torn.astype(np.float32), first * mix + second * (1 - mix), Material.SOIL, 0.0)
    for _ in range(int(rng.integers(4, 8))):
        points = frame.world(rng.uniform(-0.5, 0.5, (4, 2)) * (site.width, site.height))
        track = smooth_line(points[np.argsort(points[:, 0])], 60, 6)
        for side in (-2.4, 2.4):
            line = LineString(track + side).intersection(outline.buffer(-6))
            canvas.fill(line.buffer(1.1), (206, 188, 158), None, None, 0.35)
    for _ in range(int(rng.integers(3, 8))):
        heap = frame.at(
            rng.uniform(-0.32, 0.32) * site.width, rng.uniform(-0.32, 0.32) * site.height, rng.uniform(0, 3)
        )
        canvas.fill(
            heap.ellipse(0, 0, rng.uniform(7, 15), rng.uniform(5, 10), 24),
            soil,
            Material.SOIL,
            2,
        )
    drawing.add("bare_land", outline)
