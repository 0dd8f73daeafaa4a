"""Residential districts: dense streets of small houses, and single houses among trees."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry import LineString, Point
from shapely.geometry.base import BaseGeometry

from engine.demo.scene.buildings import SLATE, TILES, flat_roof, gable_roof, hip_roof
from engine.demo.scene.canvas import Color, Frame
from engine.demo.scene.districts import blob
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.landcover import fill_with_trees
from engine.demo.scene.layout import Site, smooth_line
from engine.demo.scene.materials import Material
from engine.demo.scene.roads import ASPHALT, car
from engine.demo.scene.vegetation import along, plant
from engine.types import Float64Array

POOL: Color = (92, 176, 196)


def draw_dense_residential(drawing: Drawing, site: Site) -> None:
    """Rows of houses back to back along parallel streets, cut to an irregular outline, gardens between."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    outline = blob(drawing, frame, site.width / 2, site.height / 2, 0.07)
    shapely.prepare(outline)
    canvas.fill(outline.buffer(6), drawing.vary((112, 112, 84)), Material.GRASS, 0, 0.7)
    canvas.fill(
        outline.buffer(-3), drawing.pick([(122, 116, 96), (104, 106, 80), (134, 126, 108)]), Material.GRASS, 0, 0.85
    )
    lot = float(rng.uniform(23, 29))
    block = float(rng.uniform(78, 92))
    run = lot * int(rng.integers(7, 11)) + 14
    warm = rng.random() < 0.5
    roofs = TILES * 2 + SLATE if warm else SLATE * 2 + TILES[:1]
    bend = float(rng.uniform(0, 26)) * (1 if rng.random() < 0.6 else 0)
    wave = float(rng.uniform(280, 460))

    def bent(x: float, y: float) -> Frame:
        slope = bend * 2 * np.pi / wave * np.cos(2 * np.pi * x / wave)
        return frame.at(x, y + bend * float(np.sin(2 * np.pi * x / wave)), float(np.arctan(slope)))

    xs = np.linspace(-site.width / 2, site.width / 2, 60)
    streets = [
        np.array([(f.x, f.y) for f in (bent(x, y) for x in xs)])
        for y in np.arange(-site.height / 2 + 8, site.height / 2, block)
    ]
    across = [
        np.array([(f.x, f.y) for f in (bent(x, y) for y in np.linspace(-site.height / 2, site.height / 2, 40))])
        for x in np.arange(-site.width / 2 + rng.uniform(20, 80), site.width / 2, run)
    ]
    for line in streets + across:
        inside = LineString(line).intersection(outline)
        for part in getattr(inside, "geoms", [inside]):
            if isinstance(part, LineString) and part.length > 20:
                canvas.fill(
                    part.buffer(8.4, cap_style="square"), drawing.vary((164, 158, 148), 0.03), Material.CONCRETE, 0
                )
                canvas.fill(part.buffer(5.6, cap_style="square"), drawing.vary(ASPHALT, 0.05), Material.ASPHALT, 0)
    for street in np.arange(-site.height / 2 + 8, site.height / 2, block):
        for side, row in ((1, street + 24), (-1, street + block - 24)):
            for x in np.arange(-site.width / 2 + lot / 2, site.width / 2, lot):
                place = bent(float(x), float(row + rng.normal(0, 1.6)))
                if outline.contains(Point(place.x, place.y).buffer(14)):
                    _lot(drawing, place, lot, side, roofs)
        for x in np.arange(-site.width / 2, site.width / 2, 15):
            spot = bent(float(x), float(street + rng.choice([-4.2, 4.2])))
            if rng.random() < 0.3 and canvas.material_at(spot.x, spot.y) == Material.ASPHALT:
                car(drawing, spot, 8.4)
    gardens = [
        bent(float(x), float(street + block / 2 + rng.normal(0, 7)))
        for street in np.arange(-site.height / 2 + 8, site.height / 2, block)
        for x in np.arange(-site.width / 2, site.width / 2, 9.5)
        if rng.random() < 0.62
    ]
    points = np.array([(f.x, f.y) for f in gardens])
    plant(drawing, points[shapely.contains_xy(outline, points[:, 0], points[:, 1])], (2.5, 6))
    plant(drawing, along(drawing, np.asarray(outline.exterior.coords), 8.5, 5), (3, 7))
    drawing.add("dense_residential", outline)


def _lot(drawing: Drawing, place: Frame, lot: float, side: int, roofs: list[Color]) -> None:
    """One house with its drive, lawn and sometimes a shed or a pool; the street lies towards −side·y."""
    rng, canvas = drawing.rng, drawing.canvas
    if canvas.material_at(place.x, place.y) in (Material.ASPHALT, Material.CONCRETE):
        return
    half = lot / 2 - 0.8
    canvas.fill(
        place.rectangle(-half, 2 * side, half, 18 * side),
        drawing.pick([(96, 110, 66), (122, 120, 84), (108, 104, 74), (88, 100, 60)], 0.08),
        Material.LAWN,
        0,
    )
    canvas.fill(
        place.rectangle(half - 5.5, -16 * side, half - 1, -6 * side),
        drawing.vary((172, 166, 156)),
        Material.CONCRETE,
        0,
    )
    if rng.random() < 0.05:
        return
    width, depth = lot - float(rng.uniform(3.5, 6.5)), float(rng.uniform(15, 20))
    color = drawing.pick(roofs, 0.10)
    eave = float(rng.uniform(5, 7))
    turn = 0.0 if rng.random() < 0.75 else np.pi / 2
    if rng.random() < 0.55:
        hip_roof(
            drawing, place.at(0, 0, turn), width if turn == 0 else depth, depth if turn == 0 else width, eave, color
        )
    else:
        gable_roof(
            drawing, place.at(0, 0, turn), width if turn == 0 else depth, depth if turn == 0 else width, eave, color
        )
    if rng.random() < 0.4:
        gable_roof(drawing, place.at(rng.uniform(-4, 4), -(depth / 2 + 3) * side, np.pi / 2), 9, 8, eave - 1, color)
    if rng.random() < 0.35:
        canvas.fill(
            place.at(rng.uniform(-6, 6), 14 * side).rectangle(-3, -2.5, 3, 2.5),
            drawing.pick([(190, 188, 184), (140, 120, 100)]),
            Material.ROOF,
            4,
        )
    elif rng.random() < 0.10:
        canvas.fill(place.ellipse(rng.uniform(-4, 4), 13 * side, 4, 2.6, 20), POOL, Material.WATER, 0)
    if rng.random() < 0.45:
        car(drawing, place.at(half - 3.2, -11 * side, np.pi / 2), 8.2)


def draw_sparse_residential(drawing: Drawing, site: Site) -> None:
    """A few large houses, each in a clearing of a wood, along one winding lane; drives, lawns, pools."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    w, h = site.width / 2, site.height / 2
    outline = blob(drawing, frame, w, h, 0.10, 2.8)
    canvas.fill(outline, drawing.vary((72, 80, 50)), Material.FOREST_FLOOR, 0)
    lane = smooth_line(
        frame.world(
            [
                (-w, rng.uniform(-30, 30)),
                (-w * 0.4, rng.uniform(-60, 60)),
                (w * 0.3, rng.uniform(-60, 60)),
                (w * 0.82, rng.uniform(-60, 60)),
            ]
        ),
        80,
        7,
    )
    fill_with_trees(drawing, outline, 11.5, (4.5, 11.0))
    canvas.fill(LineString(lane).buffer(8), (104, 104, 70), Material.GRASS, 0)
    canvas.fill(LineString(lane).buffer(4.5), (142, 136, 126), Material.ASPHALT, 0)
    homes = _homes(drawing, frame, w, h, lane)
    clearings = [_homestead(drawing, home, lane) for home in homes]
    drawing.add("sparse_residential", outline)
    wood = outline.difference(shapely.union_all([LineString(lane).buffer(8), *clearings]))
    for part in shapely.get_parts(wood):
        if part.area > 5_000:
            drawing.add("forest", part, part_of="sparse_residential")


def _homes(drawing: Drawing, frame: Frame, w: float, h: float, lane: Float64Array) -> list[Frame]:
    """Places for houses: apart from each other, near the lane but not on it."""
    rng = drawing.rng
    found: list[Frame] = []
    road = LineString(lane)
    for _ in range(400):
        x, y = rng.uniform(-w + 90, w - 90), rng.uniform(-h + 85, h - 85)
        px, py = frame.world([(x, y)])[0]
        off = road.distance(Point(px, py))
        if 64 < off < 150 and all(np.hypot(px - f.x, py - f.y) > 150 for f in found):
            found.append(Frame(float(px), float(py), float(frame.angle + rng.uniform(-0.6, 0.6))))
        if len(found) == 9:
            break
    return found


def _homestead(drawing: Drawing, home: Frame, lane: Float64Array) -> BaseGeometry:
    """Clearing, drive, house of two wings, terrace, pool, trees close by; returns where the wood is cut down."""
    rng, canvas = drawing.rng, drawing.canvas
    clearing = blob(drawing, home.at(0, 4), float(rng.uniform(60, 78)), float(rng.uniform(54, 70)), 0.22, 2.2)
    nearest = lane[int(np.argmin(np.hypot(lane[:, 0] - home.x, lane[:, 1] - home.y)))]
    canvas.fill(clearing, drawing.pick([(92, 108, 62), (104, 112, 70), (116, 114, 76)]), Material.LAWN, 0)
    door = np.array([home.x, home.y])
    middle = (nearest + door) / 2 + rng.normal(0, 12, 2)
    drive = smooth_line(np.stack((nearest, middle, door)), 24, 2.5)
    canvas.fill(LineString(drive).buffer(5), (100, 104, 66), Material.GRASS, 0, 0.8)
    canvas.fill(LineString(drive).buffer(2.8), drawing.vary((176, 166, 148)), Material.CONCRETE, 0)
    color = drawing.pick([*SLATE, (112, 92, 80), (126, 116, 106)], 0.06)
    long, deep = float(rng.uniform(44, 58)), float(rng.uniform(23, 29))
    side = 1 if rng.random() < 0.5 else -1
    canvas.fill(home.rectangle(-16, deep / 2, 16, deep / 2 + 12), (178, 170, 158), Material.CONCRETE, 0)
    hip_roof(drawing, home.at(side * long * 0.3, deep * 0.5, np.pi / 2), deep + 12, deep * 0.9, 7, color)
    hip_roof(drawing, home, long, deep, 8, color)
    if rng.random() < 0.65:
        pool = home.at(-side * long * 0.28, deep / 2 + 17)
        canvas.fill(pool.rectangle(-12, -8.5, 12, 8.5), (200, 194, 182), Material.CONCRETE, 0)
        canvas.fill(
            pool.ellipse(0, 0, 9.5, 5.6, 24) if rng.random() < 0.5 else pool.rectangle(-9, -5, 9, 5),
            POOL,
            Material.WATER,
            0,
        )
    if rng.random() < 0.5:
        flat_roof(drawing, home.at(-side * long * 0.9, -deep * 0.6), 13, 12, 5, (150, 140, 130), False)
    car(drawing, home.at(side * 6, -deep / 2 - 8, 0.3), 9)
    ring = np.asarray(clearing.exterior.coords)
    plant(drawing, ring[rng.random(len(ring)) < 0.45], (4.5, 10))
    plant(drawing, home.world(rng.uniform(-56, 56, (9, 2))), (3.5, 8))
    return clearing.union(LineString(drive).buffer(5))
