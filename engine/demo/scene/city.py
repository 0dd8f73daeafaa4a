"""The town centre: office blocks, squares, churches, schools and the park."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry import LineString, Polygon

from engine.demo.scene.buildings import PALE, SLATE, TILES, flat_roof, gable_roof, hip_roof, shade, tower
from engine.demo.scene.canvas import Color, Frame
from engine.demo.scene.districts import blob, district_blocks
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.landcover import fill_with_trees, split
from engine.demo.scene.layout import Site, smooth_line
from engine.demo.scene.materials import Material
from engine.demo.scene.noise import fractal_noise
from engine.demo.scene.parking import rows_of_cars
from engine.demo.scene.roads import ASPHALT, car, dashes
from engine.demo.scene.sports import TURF, pitch
from engine.demo.scene.vegetation import along, plant

_OFFICE: list[Color] = [
    (166, 164, 162),
    (142, 142, 146),
    (186, 182, 176),
    (120, 122, 130),
    (152, 140, 128),
    (200, 198, 194),
    (104, 108, 116),
    (130, 146, 158),
]
_COPPER: Color = (122, 166, 150)


def draw_commercial(drawing: Drawing, site: Site) -> None:
    """Street blocks crowded with towers and slabs of very different height, throwing long shadows."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    w, h = site.width / 2, site.height / 2
    lean_way = float(rng.uniform(0, 2 * np.pi))
    lean = (0.30 * float(np.cos(lean_way)), 0.30 * float(np.sin(lean_way)))
    blocks, district = district_blocks(drawing, site, 125)
    canvas.fill(district, drawing.vary((112, 111, 112)), Material.ASPHALT, 0)
    plots: list[tuple[Frame, float, float, float, Color]] = []
    for x0, y0, x1, y1 in blocks:
        a0, b0, a1, b1 = x0 + 9, y0 + 9, x1 - 9, y1 - 9
        canvas.fill(
            frame.rectangle(a0 - 2, b0 - 2, a1 + 2, b1 + 2), drawing.vary((156, 152, 146), 0.05), Material.CONCRETE, 0
        )
        if rng.random() < 0.10:
            canvas.fill(frame.rectangle(a0 + 3, b0 + 3, a1 - 3, b1 - 3), (88, 104, 66), Material.LAWN, 0)
            fill_with_trees(drawing, Polygon(frame.rectangle(a0 + 6, b0 + 6, a1 - 6, b1 - 6)), 15, (3, 6))
            continue
        for c0, d0, c1, d1 in split(rng, a1 - a0, b1 - b0, 52):
            pw, pd = c1 - c0 - rng.uniform(2, 9), d1 - d0 - rng.uniform(2, 9)
            if pw < 10 or pd < 10:
                continue
            place = frame.at((a0 + a1) / 2 + (c0 + c1) / 2, (b0 + b1) / 2 + (d0 + d1) / 2)
            tall = float(
                rng.choice([rng.uniform(14, 26), rng.uniform(26, 46), rng.uniform(50, 84)], p=[0.42, 0.36, 0.22])
            )
            plots.append((place, pw, pd, tall, drawing.pick(_OFFICE, 0.08)))
    for x in np.arange(-w + 20, w - 10, 16):
        for y in np.arange(-h + 20, h - 10, 16):
            px, py = frame.world([(x, y)])[0]
            if rng.random() < 0.25 and canvas.material_at(px, py) == Material.ASPHALT:
                car(drawing, frame.at(float(x), float(y), float(rng.choice([0.0, np.pi / 2]))), 8.6)
    # Far ones first, seen along the lean: near walls hide what stands behind.
    for place, pw, pd, tall, color in sorted(plots, key=lambda p: p[0].x * lean[0] + p[0].y * lean[1]):
        if tall > 34:
            flat_roof(drawing, place, pw, pd, 10, shade(color, 0.95), False)
            tower(drawing, place, pw * rng.uniform(0.55, 0.85), pd * rng.uniform(0.55, 0.85), tall, color, lean)
        elif rng.random() < 0.14:
            hip_roof(drawing, place, pw, pd, tall * 0.7, drawing.pick(TILES + SLATE))
        else:
            tower(drawing, place, pw, pd, tall, color, lean)
    plant(drawing, along(drawing, np.asarray(district.exterior.coords), 11, 4), (3, 6))
    drawing.add("commercial", district)


def _surround(drawing: Drawing, site: Site, deep: float) -> tuple[float, float]:
    """Town houses in closed rows round a site, open in the middle of each side; half extents (w, h) left inside."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    w, h = site.width / 2, site.height / 2
    canvas.fill(site.outline, drawing.vary((138, 132, 120)), Material.CONCRETE, 0)
    palette = TILES if rng.random() < 0.5 else SLATE + TILES[:2]
    for turn, along_half, out in ((0.0, w, h), (np.pi / 2, h, w), (np.pi, w, h), (-np.pi / 2, h, w)):
        side = frame.at(0, 0, turn)
        canvas.fill(side.rectangle(-10, -out, 10, -out + deep + 6), drawing.vary(ASPHALT), Material.ASPHALT, 0)
        for start, end in ((-along_half + 2, -15.0), (15.0, along_half - deep - 4)):
            x = start
            while x < end - 14:
                long = min(float(rng.uniform(24, 50)), end - x)
                tall = float(rng.uniform(12, 22))
                place = side.at(x + long / 2, -out + deep / 2)
                if rng.random() < 0.7:
                    gable_roof(drawing, place, long - 1, deep - rng.uniform(6, 14), tall, drawing.pick(palette, 0.1))
                else:
                    flat_roof(
                        drawing, place, long - 1, deep - rng.uniform(6, 12), tall + 8, drawing.pick(_OFFICE, 0.08)
                    )
                x += long
    return w - deep - 4, h - deep - 4


def draw_square(drawing: Drawing, site: Site) -> None:
    """A paved square: rings and rays of paths, lawns between them, a monument or fountain, buildings around."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    w, h = _surround(drawing, site, 44)
    canvas.fill(frame.rectangle(-w, -h, w, h), drawing.vary(ASPHALT), Material.ASPHALT, 0)
    a, b = w - 14, h - 14
    paving = drawing.pick([(190, 180, 164), (202, 196, 184), (178, 160, 142), (168, 164, 158)], 0.03)
    canvas.fill(frame.rectangle(-a, -b, a, b), paving, Material.CONCRETE, 0)
    lawn = drawing.pick([(84, 108, 62), (76, 100, 58), (98, 114, 68)])
    beds = Polygon(frame.rectangle(-a + 12, -b + 12, a - 12, b - 12))
    rays = int(rng.choice([4, 8, 8, 6]))
    turn = float(rng.choice([0.0, np.pi / rays]))
    cut = [
        LineString(frame.world([(0, 0), (2 * a * np.cos(t), 2 * a * np.sin(t))])).buffer(8)
        for t in turn + np.arange(rays) * 2 * np.pi / rays
    ]
    core = float(rng.uniform(34, 46))
    cut.append(Polygon(frame.ellipse(0, 0, core, core)))
    ring = float(rng.uniform(66, 82))
    cut.append(Polygon(frame.ellipse(0, 0, ring, ring)).exterior.buffer(6))
    lawns = beds.difference(shapely.union_all(cut))
    for part in getattr(lawns, "geoms", [lawns]):
        canvas.fill(part.buffer(1.5), (206, 200, 190), Material.CONCRETE, 0)
        canvas.fill(part.buffer(-0.8), drawing.vary(lawn, 0.04), Material.LAWN, 0)
        edge = part.buffer(-6)
        for shape in getattr(edge, "geoms", [edge]):
            if rng.random() < 0.85 and not shape.is_empty:
                plant(drawing, along(drawing, np.asarray(shape.exterior.coords), 13, 1), (3, 5.5))
    for r, tone in ((core - 6, 0.86), (core - 11, 1.06), (core - 20, 0.82)):
        canvas.fill(frame.ellipse(0, 0, r, r), shade(paving, tone), Material.CONCRETE, 0)
    if rng.random() < 0.5:
        canvas.fill(frame.ellipse(0, 0, 13, 13), (96, 140, 148), Material.WATER, 0)
        canvas.fill(frame.ellipse(0, 0, 4, 4, 20), (220, 224, 222), Material.CONCRETE, 3)
    else:
        canvas.fill(frame.rectangle(-10, -10, 10, 10), (210, 206, 198), Material.CONCRETE, 3)
        canvas.fill(frame.rectangle(-3, -3, 3, 3), (180, 174, 164), Material.CONCRETE, 46)
    for x, y in rng.uniform(-1, 1, (80, 2)) * (a, b):
        px, py = frame.world([(x, y)])[0]
        if canvas.material_at(px, py) == Material.CONCRETE:
            canvas.fill(frame.at(x, y).rectangle(-0.8, -0.8, 0.8, 0.8), (60, 58, 60), None, 1.5)
    for side in (-1, 1):
        dashes(drawing, frame.world([(-w, side * (h - 7)), (w, side * (h - 7))]), 13, 5, 0.8, 0.6)
        for x in np.arange(-w + 12, w - 8, 26):
            if rng.random() < 0.5:
                car(drawing, frame.at(float(x), side * (h - 10)), 8.6)
    drawing.add("square", frame.rectangle(-w, -h, w, h))


def draw_church(drawing: Drawing, site: Site) -> None:
    """A large cross-shaped church: steep nave and transept, apse, tower with a spire, dome; paved yard with trees."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    w, h = _surround(drawing, site, 42)
    canvas.fill(
        frame.rectangle(-w, -h, w, h),
        drawing.pick([(160, 152, 138), (146, 140, 132), (112, 116, 78)]),
        Material.CONCRETE,
        0,
    )
    yard = frame.rectangle(-w + 12, -h + 12, w - 12, h - 12)
    canvas.fill(yard, drawing.pick([(96, 110, 66), (174, 164, 146)]), Material.LAWN, 0)
    canvas.fill(frame.rectangle(-w, -9, -w + 50, 9), (182, 174, 160), Material.CONCRETE, 0)
    canvas.fill(frame.rectangle(-w * 0.78, -h * 0.52, w * 0.80, h * 0.52), (176, 168, 154), Material.CONCRETE, 0)
    roof = drawing.pick([(150, 104, 82), (138, 112, 92), (112, 108, 104), _COPPER, (164, 130, 104)], 0.05)
    nave, width = w * 1.24, float(rng.uniform(36, 44))
    x0 = -w * 0.62
    for side in (-1, 1):
        gable_roof(
            drawing, frame.at(x0 + nave / 2 - 4, side * (width * 0.5 + 7)), nave * 0.84, 18, 10, shade(roof, 0.92), 0.3
        )
        for x in np.arange(x0 + 14, x0 + nave * 0.86, 15):
            canvas.fill(
                frame.rectangle(x, side * (width * 0.5 + 15), x + 3, side * (width * 0.5 + 20)),
                shade(roof, 0.86),
                Material.ROOF,
                12,
            )
    apse_t = np.linspace(-np.pi / 2, np.pi / 2, 12)
    for k in range(11):
        wedge = [(x0 + nave - 2, 0.0)] + [
            (x0 + nave - 2 + width * 0.52 * np.cos(t), width * 0.52 * np.sin(t)) for t in apse_t[k : k + 2]
        ]
        turn = frame.angle + (apse_t[k] + apse_t[k + 1]) / 2
        light = canvas.sun.facing(0.5 * float(np.cos(turn)), 0.5 * float(np.sin(turn)))
        canvas.fill(frame.world(wedge), shade(roof, light), Material.ROOF, 16)
    gable_roof(drawing, frame.at(x0 + nave / 2, 0), nave, width, 20, roof, 1.0)
    cross = frame.at(x0 + nave * 0.66, 0, np.pi / 2)
    gable_roof(drawing, cross, h * 1.22, width * 0.92, 20, roof, 1.0)
    if rng.random() < 0.55:
        dome = drawing.pick([_COPPER, (140, 150, 150), (170, 160, 146)])
        for k in range(9):
            r = 20 * (1 - k / 10)
            canvas.fill(
                frame.at(x0 + nave * 0.66, 0).ellipse(0.5 * k * canvas.sun.vector[0] * 0.5, 0, r, r, 40),
                shade(dome, 0.80 + 0.05 * k),
                Material.METAL,
                36 + 2 * k,
            )
        canvas.fill(frame.at(x0 + nave * 0.66, 0).ellipse(0, 0, 2.6, 2.6, 16), (210, 206, 196), Material.METAL, 62)
    twin = rng.random() < 0.5
    for y in (-width * 0.5, width * 0.5) if twin else (0.0,):
        base = frame.at(x0 + 2, y)
        size = 17 if twin else 24
        canvas.fill(
            base.rectangle(-size / 2 - 1.5, -size / 2 - 1.5, size / 2 + 1.5, size / 2 + 1.5),
            (176, 166, 150),
            Material.CONCRETE,
            48,
        )
        hip_roof(drawing, base, size, size, 52, drawing.vary(_COPPER if rng.random() < 0.5 else shade(roof, 0.85)), 1.4)
    for edge in range(4):
        line = np.stack((yard[edge], yard[(edge + 1) % 4]))
        if rng.random() < 0.8:
            plant(drawing, along(drawing, line, 14, 2), (4, 7))
    for x in np.arange(-w + 20, w - 20, 7):
        if rng.random() < 0.5:
            car(drawing, frame.at(float(x), h - 6, np.pi / 2), 8.6)
    aisle = width * 0.5 + 16
    nave_floor = Polygon(frame.rectangle(x0 - 10, -aisle, x0 + nave, aisle))
    transept = Polygon(cross.rectangle(-h * 0.61, -width * 0.46, h * 0.61, width * 0.46))
    apse = Polygon(frame.at(x0 + nave - 2, 0).ellipse(0, 0, width * 0.52, width * 0.52, 32))
    drawing.add("church", shapely.union_all([nave_floor, transept, apse]))


def draw_school(drawing: Drawing, site: Site) -> None:
    """A campus: rows of teaching blocks about courts, a hall, paths under trees, a field with its track."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    w, h = site.width / 2, site.height / 2
    canvas.fill(site.outline, drawing.pick([(104, 112, 72), (112, 116, 80)]), Material.GRASS, 0, 0.9)
    color = drawing.pick([*PALE, *TILES, (156, 104, 84), (150, 140, 130)])
    roofed = rng.random() < 0.6
    paving = drawing.vary((166, 160, 148))
    canvas.fill(frame.rectangle(-w + 6, -4, w - 6, 4), paving, Material.CONCRETE, 0)
    for x in (-w * 0.52, 6.0):
        canvas.fill(frame.rectangle(x - 3.5, -h + 6, x + 3.5, h - 6), paving, Material.CONCRETE, 0)

    def block(place: Frame, long: float, deep: float = 17.0) -> None:
        half_long, half_deep = long / 2 + 4, deep / 2 + 4
        canvas.fill(place.rectangle(-half_long, -half_deep, half_long, half_deep), paving, Material.CONCRETE)
        if roofed:
            hip_roof(drawing, place, long, deep, 13, shade(color, float(rng.uniform(0.92, 1.08))), 0.4)
        else:
            flat_roof(drawing, place, long, deep, 14, shade(color, float(rng.uniform(0.92, 1.08))))

    # Four courts, each framed by blocks on two, three or four sides.
    for x0, x1 in ((-w + 10, -w * 0.52 - 8), (-w * 0.52 + 8, -4.0)):
        for y0, y1 in ((-h + 10, -10.0), (10.0, h - 10)):
            middle = frame.at((x0 + x1) / 2, (y0 + y1) / 2)
            wide, tall = x1 - x0, y1 - y0
            block(frame.at((x0 + x1) / 2, y0 + 9), wide)
            block(frame.at((x0 + x1) / 2, y1 - 9), wide)
            for x in (x0 + 9, x1 - 9):
                if rng.random() < 0.55:
                    block(frame.at(x, (y0 + y1) / 2, np.pi / 2), tall - 34)
            reach = np.array([wide * 0.3, tall * 0.26])
            plant(drawing, middle.world(rng.uniform(-reach, reach, (26, 2))), (3.5, 7))
    hall = frame.at(w * 0.34, h - 38)
    block(hall, w * 0.5, 48)
    field = frame.at(w * 0.54, -h * 0.40)
    long, wide = w * 0.84, h * 0.98
    t = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    c, s = np.cos(t), np.sin(t)
    oval = np.stack((long / 2 * np.sign(c) * np.abs(c) ** 0.6, wide / 2 * np.sign(s) * np.abs(s) ** 0.75), axis=1)
    canvas.fill(field.world(oval), drawing.pick([(158, 96, 80), (150, 88, 76)]), Material.PAINT, 0)
    canvas.fill(field.world(oval * (0.87, 0.80)), drawing.pick(TURF), Material.LAWN, 0)
    pitch(drawing, field, long * 0.66, wide * 0.58, drawing.pick(TURF))
    block(frame.at(w * 0.78, h * 0.29), w * 0.30)
    lot = (14.0, h * 0.14, w * 0.56, h * 0.44)
    canvas.fill(frame.rectangle(*lot), (114, 114, 112), Material.ASPHALT, 0)
    rows_of_cars(drawing, frame, *lot, 0.6)
    for x in (-w * 0.52, 6.0):
        for side in (-8.0, 8.0):
            edge = frame.world([(x + side, -h + 8), (x + side, h - 8)])
            plant(drawing, along(drawing, edge, 13, 2), (3.5, 6.5))
    ring = frame.rectangle(-w + 3, -h + 3, w - 3, h - 3)
    for k in range(4):
        plant(drawing, along(drawing, np.stack((ring[k], ring[(k + 1) % 4])), 11, 2), (3.5, 6.5))
    drawing.add("school", site.outline)


def draw_park(drawing: Drawing, site: Site) -> None:
    """Lawns and groves about a small lake, winding paths, a round place and pavilions."""
    rng, canvas, frame = drawing.rng, drawing.canvas, site.frame
    w, h = site.width / 2, site.height / 2
    outline = blob(drawing, frame, w, h, 0.04, 4.5)
    canvas.fill(outline, drawing.pick([(86, 104, 60), (94, 108, 66)]), Material.LAWN, 0)
    lake_at = frame.at(rng.uniform(-0.25, 0.25) * w, rng.uniform(-0.25, 0.25) * h, rng.uniform(0, 3))
    lake = blob(drawing, lake_at, w * 0.40, h * 0.28, 0.22, 2.0)
    ring = lake.buffer(16)
    groves = outline.buffer(-8).difference(lake.buffer(9))
    shade_field = fractal_noise(48, 48, 11, 3, rng)
    points = []
    x0, y0, x1, y1 = groves.bounds
    for x, y in rng.uniform((x0, y0), (x1, y1), (2600, 2)):
        u, v = int((x - x0) / (x1 - x0) * 47), int((y - y0) / (y1 - y0) * 47)
        if shade_field[v, u] > -0.15 and groves.contains(shapely.Point(x, y)):
            points.append((x, y))
    plant(drawing, points, (3.5, 8))
    sand: Color = (190, 178, 152)
    canvas.fill(ring.exterior.buffer(3.2), sand, Material.CONCRETE, 0)
    place = frame.at(-lake_at.angle * 0 + rng.choice([-0.6, 0.6]) * w, rng.choice([-0.6, 0.6]) * h)
    starts = frame.world(
        [
            (-w, rng.uniform(-h, h) * 0.6),
            (w, rng.uniform(-h, h) * 0.6),
            (rng.uniform(-w, w) * 0.6, -h),
            (rng.uniform(-w, w) * 0.6, h),
        ]
    )
    for start in starts:
        goal = np.asarray(ring.exterior.coords)[int(np.argmin(np.hypot(*(np.asarray(ring.exterior.coords) - start).T)))]
        middle = (start + goal) / 2 + rng.normal(0, 22, 2)
        path = LineString(smooth_line(np.stack((start, middle, goal)), 40, 4)).intersection(outline)
        canvas.fill(path.buffer(3.0), sand, Material.CONCRETE, 0)
    canvas.fill(place.ellipse(0, 0, 30, 30), sand, Material.CONCRETE, 0)
    canvas.fill(place.ellipse(0, 0, 18, 18), (96, 116, 70), Material.LAWN, 0)
    canvas.fill(place.ellipse(0, 0, 8, 8, 30), (98, 140, 146), Material.WATER, 0)
    canvas.fill(lake.buffer(3), (146, 138, 112), Material.SOIL, 0)
    canvas.fill(lake, drawing.pick([(48, 66, 60), (60, 80, 70), (42, 56, 58)]), Material.WATER, 0)
    hip_roof(
        drawing,
        frame.at(rng.uniform(-0.7, -0.5) * w, rng.uniform(0.4, 0.6) * h, rng.uniform(0, 3)),
        26,
        18,
        8,
        drawing.pick(TILES),
    )
    plant(drawing, along(drawing, np.asarray(outline.exterior.coords), 9, 2.5), (4, 7.5))
    drawing.add("park", outline)
