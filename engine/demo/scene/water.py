"""Sea, beach, river and ponds."""

from __future__ import annotations

import numpy as np
import shapely
from PIL import Image
from scipy import ndimage
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from engine.demo.scene.canvas import Color
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.landcover import fill_with_trees
from engine.demo.scene.layout import Plan, Site
from engine.demo.scene.materials import Material
from engine.demo.scene.noise import fractal_noise
from engine.demo.scene.vegetation import along, plant
from engine.types import Float32Array

_COARSE = 4  # distances to the shore are taken on a grid this much coarser


def _shore_distance(inside: Float32Array) -> Float32Array:
    """Distance in pixels of each pixel (h, w) from the outside of a coverage mask."""
    h, w = inside.shape
    small = inside[::_COARSE, ::_COARSE] > 0.5
    # Ground beyond the window counts as inside: the window's edge is no shore.
    away = ndimage.distance_transform_edt(np.pad(small, 1, mode="edge"))[1:-1, 1:-1].astype(np.float32) * _COARSE
    grown = Image.fromarray(away).resize((away.shape[1] * _COARSE, away.shape[0] * _COARSE), Image.Resampling.BILINEAR)
    return np.asarray(grown, dtype=np.float32)[:h, :w]


def draw_sea(drawing: Drawing, plan: Plan) -> None:
    """Water that darkens with depth, swell, and the beach with its surf."""
    rng, canvas = drawing.rng, drawing.canvas
    _draw_beach(drawing, plan)
    covered = canvas.cover(plan.sea)
    if covered is None:
        return
    window, coverage = covered
    h, w = coverage.shape
    away = _shore_distance(coverage)
    shallow = np.asarray(drawing.vary((112, 140, 130), 0.06), dtype=np.float32)
    middle = np.asarray(drawing.vary((62, 94, 100), 0.06), dtype=np.float32)
    deep = np.asarray(drawing.vary((40, 64, 78), 0.07), dtype=np.float32)
    bottom = fractal_noise(h, w, 260, 4, rng)
    depth = np.clip(away + 26 * bottom, 0, None)
    near = np.exp(-depth / np.float32(rng.uniform(45, 75)))[..., None]
    far = np.exp(-depth / np.float32(rng.uniform(260, 420)))[..., None]
    color = deep * (1 - far) + middle * (far - near * far) + shallow * near * far
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    phase = (x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))) / 11 + 1.3 * bottom
    swell = np.sin(phase) * np.clip(fractal_noise(h, w, 90, 2, rng), 0, None)
    color *= (1 + 0.022 * swell)[..., None]
    # Surf: three ragged lines that follow the shore, broken along it.
    ragged = away + 7 * fractal_noise(h, w, 70, 4, rng, 0.65)
    foam = np.zeros((h, w), dtype=np.float32)
    for at, width, strength in ((5, 4.0, 0.85), (24, 4.5, 0.6), (50, 5.0, 0.35)):
        broken = np.clip(0.5 + 0.9 * fractal_noise(h, w, 120, 3, rng), 0, 1)
        foam += strength * broken * np.exp(-(((ragged - at * rng.uniform(0.85, 1.2)) / width) ** 2))
    color += np.clip(foam, 0, 0.9)[..., None] * (np.asarray([226, 230, 226], dtype=np.float32) - color)
    canvas.paint(window, coverage, color, Material.WATER, 0.0)
    for part in getattr(plan.sea, "geoms", [plan.sea]):
        drawing.add("sea", part)


def _draw_beach(drawing: Drawing, plan: Plan) -> None:
    """Sand of changing width along the coast, wet and darker at the water's edge; none beside the harbour."""
    rng, canvas = drawing.rng, drawing.canvas
    count = len(plan.coast)
    wave = ndimage.gaussian_filter1d(rng.standard_normal(count), 38) * 38**0.5 * 1.9
    width = np.clip(92 + 34 * wave, 26, 160)
    if plan.harbour is not None:
        off = np.hypot(*(plan.coast - (plan.harbour.frame.x, plan.harbour.frame.y)).T)
        width *= np.clip((off - 400) / 160, 0, 1)
    parts: list[BaseGeometry] = []
    for start in range(0, count - 1, 2):
        piece = plan.coast[start : start + 4]
        if width[start] > 3 and len(piece) > 1:
            parts.append(LineString(piece).buffer(width[start]))
    ground = shapely.box(0, 0, canvas.size, canvas.size).difference(plan.sea).difference(plan.river.buffer(2))
    beach = shapely.union_all(parts).intersection(ground).buffer(-6).buffer(6)
    sand = drawing.pick([(196, 178, 142), (204, 190, 160), (186, 164, 128), (210, 198, 172)], 0.04)
    canvas.fill(beach.buffer(16).intersection(ground), drawing.vary((138, 130, 96)), Material.SOIL, 0, 0.6)
    for part in getattr(beach, "geoms", [beach]):
        covered = canvas.cover(part)
        if covered is None or part.area < 3000:
            continue
        window, coverage = covered
        h, w = coverage.shape
        streaks = fractal_noise(h, w, 120, 4, rng)
        tone = np.asarray(sand, dtype=np.float32) * (1 + 0.05 * streaks)[..., None]
        canvas.paint(window, coverage, tone.astype(np.float32), Material.SAND, 0.0)
        if part.area > 12_000:
            drawing.add("beach", part)
    wet = LineString(plan.coast).buffer(15).intersection(ground)
    canvas.fill(wet, shade_of(sand, 0.78), Material.SAND, 0, 0.75)
    _umbrellas(drawing, plan, width)


def _umbrellas(drawing: Drawing, plan: Plan, width: Float32Array) -> None:
    """Sunshades in rows on the widest stretch."""
    rng = drawing.rng
    inner = np.flatnonzero((plan.coast > 60).all(axis=1) & (plan.coast < plan.size - 60).all(axis=1))
    if not len(inner):
        return
    best = int(inner[np.argmax(width[inner])])
    stretch = plan.coast[max(0, best - 26) : best + 26]
    colors: list[Color] = [(220, 214, 200), (196, 72, 60), (66, 112, 168), (224, 196, 92), (236, 236, 232)]
    for inset in (30, 42, 54):
        ring = LineString(stretch).buffer(inset).difference(plan.sea.buffer(inset - 2)).buffer(1.2)
        for x, y in rng.permutation(np.asarray(ring.exterior.coords) if isinstance(ring, Polygon) else stretch[:0]):
            if drawing.canvas.material_at(x, y) == Material.SAND and rng.random() < 0.4:
                drawing.canvas.fill(shapely.Point(x, y).buffer(2.6, 4), drawing.pick(colors), Material.PAINT, 4)


def shade_of(color: Color, factor: float) -> Color:
    """A colour made darker or lighter."""
    r, g, b = (c * factor for c in color)
    return r, g, b


def draw_river(drawing: Drawing, plan: Plan) -> None:
    """Dark green or muddy brown water between bare and wooded banks, with shallows along the inner bends."""
    rng, canvas = drawing.rng, drawing.canvas
    body = drawing.pick([(54, 76, 68), (60, 74, 66), (46, 70, 72), (156, 134, 94)], 0.06)
    river = plan.river
    land = shapely.box(0, 0, canvas.size, canvas.size).difference(plan.sea)
    canvas.fill(river.buffer(20).intersection(land), drawing.vary((86, 94, 60)), Material.GRASS, 0, 0.55)
    canvas.fill(river.buffer(6).intersection(land), drawing.vary((140, 126, 96)), Material.SOIL, 0, 0.75)
    covered = canvas.cover(river)
    if covered is None:
        return
    window, coverage = covered
    h, w = coverage.shape
    away = _shore_distance(coverage)
    drift = fractal_noise(h, w, 140, 3, rng)
    near = (0.35 * np.exp(-np.clip(away + 5 * drift, 0, None) / 13))[..., None]
    color = np.asarray(body, dtype=np.float32) * (1 + 0.035 * drift)[..., None]
    color = color + near * (np.asarray([150, 140, 104], dtype=np.float32) - color)
    canvas.paint(window, coverage, color.astype(np.float32), Material.WATER, 0.0)
    drawing.add("river", river)


def draw_bank_trees(drawing: Drawing, plan: Plan) -> None:
    """Gallery woods in stretches along both banks."""
    rng = drawing.rng
    for reach in (12.0, 20.0, 29.0):
        ring = plan.river.buffer(reach)
        line = np.asarray(ring.exterior.coords)
        points = along(drawing, line, 7.5, 4.0)
        run = ndimage.gaussian_filter1d(rng.standard_normal(len(points)), 18) * 6
        plant(drawing, points[run > reach / 30], (3, 7))


def draw_pond(drawing: Drawing, site: Site) -> None:
    """A dark pond that nearly fills its site: bare bank, track or trees around it."""
    rng, canvas = drawing.rng, drawing.canvas
    t = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    square = rng.random() < 0.35
    radius = np.ones_like(t)
    for k in (2, 3, 4, 5):
        radius += rng.normal(0, (0.02 if square else 0.16) / k) * np.cos(k * t + rng.uniform(0, 2 * np.pi))
    power = rng.uniform(3.2, 4.6) if square else 2.0
    radius /= (np.abs(np.cos(t)) ** power + np.abs(np.sin(t)) ** power) ** (1 / power)
    rx, ry = site.width / 2 - 22, site.height / 2 - 22
    shape = Polygon(
        site.frame.world(np.stack((rx * radius * np.cos(t), ry * radius * np.sin(t)), axis=1) * 0.96)
    ).buffer(0)
    canvas.fill(shape.buffer(30), drawing.vary((104, 110, 70)), Material.GRASS, 0, 0.55)
    canvas.fill(
        shape.buffer(13), drawing.pick([(160, 144, 112), (138, 124, 94), (126, 118, 84)]), Material.SOIL, 0, 0.9
    )
    canvas.fill(shape.buffer(4), (112, 104, 78), Material.SOIL, 0, 0.8)
    covered = canvas.cover(shape)
    if covered is None:
        return
    window, coverage = covered
    h, w = coverage.shape
    body = drawing.pick([(34, 46, 50), (40, 58, 56), (46, 62, 52), (30, 40, 46), (58, 76, 76)], 0.08)
    tone = np.asarray(body, dtype=np.float32) * (1 + 0.05 * fractal_noise(h, w, 80, 3, rng))[..., None]
    near = (0.25 * np.exp(-_shore_distance(coverage) / 7))[..., None]
    tone = tone + near * (np.asarray([112, 112, 84], dtype=np.float32) - tone)
    canvas.paint(window, coverage, tone.astype(np.float32), Material.WATER, 0.0)
    fringe = shape.buffer(30).difference(shape.buffer(15))
    if rng.random() < 0.75:
        half = Polygon(
            site.frame.rectangle(-site.width, -site.height, site.width * rng.uniform(-0.2, 0.4), site.height)
        )
        fill_with_trees(drawing, fringe.intersection(half), 10, (3.5, 7))
    drawing.add("pond", shape)
