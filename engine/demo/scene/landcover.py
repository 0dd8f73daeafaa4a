"""Open country: rough ground under everything; woods, fields and pastures on what the sites leave free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from scipy import ndimage
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry
from skimage.measure import find_contours

from engine.demo.scene.canvas import Color, Frame
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.layout import mask_of
from engine.demo.scene.materials import Material
from engine.demo.scene.noise import fractal_noise
from engine.demo.scene.vegetation import AUTUMN, BROADLEAF, CONIFER, hedge, plant, scatter
from engine.types import BoolArray, Float32Array, Float64Array

ZONE_CELL = 8

CROPS: list[Color] = [
    (92, 112, 66),
    (74, 98, 58),
    (112, 126, 76),
    (158, 146, 106),
    (172, 158, 116),
    (140, 118, 88),
    (122, 102, 78),
    (146, 136, 98),
    (104, 108, 70),
    (84, 94, 60),
    (150, 132, 104),
    (128, 130, 86),
]
PASTURE: list[Color] = [(98, 116, 70), (88, 108, 64), (108, 122, 74), (118, 124, 80), (80, 102, 60)]
EARTH_TRACK: Color = (150, 136, 110)


@dataclass(frozen=True, slots=True)
class Zones:
    """Polygons, in pixels, of the land that sites and roads leave free."""

    forest: list[Polygon]
    farmland: list[Polygon]
    meadow: list[Polygon]


def draw_ground(drawing: Drawing) -> None:
    """Rough grass over the whole canvas: four covers mixed by noise, from dense green to dry and bare."""
    canvas, rng = drawing.canvas, drawing.rng
    size = canvas.size
    half = size // 2
    covers: list[Color] = [(70, 88, 52), (94, 102, 64), (126, 122, 82), (128, 112, 84)]
    biases = (0.55, 0.45, 0.0, -0.55)
    weights = np.stack(
        [np.exp(1.7 * (fractal_noise(half, half, 230, 6, rng, 0.66) + np.float32(bias))) for bias in biases]
    )
    weights /= weights.sum(axis=0)
    mixed = np.tensordot(weights, np.asarray([drawing.vary(c, 0.05, 0.02) for c in covers], dtype=np.float32), (0, 0))
    canvas.albedo[:] = np.repeat(np.repeat(mixed, 2, axis=0), 2, axis=1)[:size, :size]
    canvas.material[:] = Material.GRASS


def find_zones(rng: np.random.Generator, size: int, blocked: list[BaseGeometry]) -> Zones:
    """Split the free land by two smooth random fields, and outline what is large enough."""
    taken = mask_of(blocked, size, ZONE_CELL)
    side = taken.shape[0]
    away = ndimage.distance_transform_edt(~taken)
    wood = fractal_noise(side, side, 75, 4, rng, 0.55)
    field = fractal_noise(side, side, 130, 2, rng, 0.5)
    free = away > 2
    forest = free & (wood > np.quantile(wood[free], 0.68))
    farmland = (away > 1.6) & ~forest & (field > np.quantile(field[free], 0.42))
    meadow = (away > 1.6) & ~forest & ~farmland
    return Zones(_outlines(forest, 3, 220), _outlines(farmland, 3, 500), _outlines(meadow, 3, 300))


def _outlines(mask: BoolArray, radius: int, smallest: int) -> list[Polygon]:
    """Smooth outlines, in pixels, of the parts of a mask of ZONE_CELL cells; slivers and specks are dropped."""
    reach = np.arange(-radius, radius + 1)
    opened = ndimage.binary_opening(mask, np.hypot(*np.meshgrid(reach, reach)) <= radius + 0.3)
    parts, _ = ndimage.label(opened)
    polygons: list[Polygon] = []
    for number, window in enumerate(ndimage.find_objects(parts), start=1):
        part = parts[window] == number
        if part.sum() < smallest:
            continue
        soft = ndimage.gaussian_filter(np.pad(part.astype(np.float32), 4), 1.6)
        corner = (window[0].start - 4, window[1].start - 4)
        contours = find_contours(soft, 0.5)  # type: ignore[no-untyped-call]
        rings = [((ring + corner) * ZONE_CELL + ZONE_CELL / 2)[:, ::-1] for ring in contours]
        areas = [Polygon(ring).area for ring in rings if len(ring) > 8]
        rings = [ring for ring in rings if len(ring) > 8]
        if not rings:
            continue
        shell = int(np.argmax(areas))
        holes = [ring for i, ring in enumerate(rings) if i != shell and areas[i] > 900]
        polygon = Polygon(rings[shell], holes).buffer(0).simplify(1.0)
        if isinstance(polygon, Polygon):
            polygons.append(polygon)
    return polygons


def draw_forest(drawing: Drawing, polygon: Polygon, register: bool = True) -> None:
    """A closed canopy over a polygon, of one mixture of trees, with clearings of darker floor between crowns."""
    canvas, rng = drawing.canvas, drawing.rng
    canvas.fill(polygon, drawing.vary((50, 58, 40)), Material.FOREST_FLOOR, 0)
    mixture = list(BROADLEAF) if rng.random() < 0.72 else CONIFER * 3 + BROADLEAF
    if rng.random() < 0.35:
        mixture += AUTUMN[:1]
    fill_with_trees(drawing, polygon, 8.6, (4.0, 8.2), mixture)
    if register:
        drawing.add("forest", polygon)


def fill_with_trees(
    drawing: Drawing,
    shape: BaseGeometry,
    spacing: float,
    radius: tuple[float, float],
    colors: list[Color] | None = None,
) -> None:
    """Trees on a jittered grid of the given spacing inside a polygon."""
    points = scatter(drawing, shape.bounds, spacing)
    points = points[shapely.contains_xy(shape, points[:, 0], points[:, 1])]
    plant(drawing, points, radius, colors)


def split(
    rng: np.random.Generator, width: float, height: float, target: float
) -> list[tuple[float, float, float, float]]:
    """Cut a rectangle centred on the origin again and again across its longer side, down to about ``target`` pixels."""
    done: list[tuple[float, float, float, float]] = []
    todo = [(-width / 2, -height / 2, width / 2, height / 2)]
    while todo:
        x0, y0, x1, y1 = todo.pop()
        w, h = x1 - x0, y1 - y0
        limit = target * rng.uniform(0.8, 1.7)
        if max(w, h) < limit or min(w, h) < target * 0.42:
            done.append((x0, y0, x1, y1))
            continue
        at = rng.uniform(0.36, 0.64)
        if w > h:
            todo += [(x0, y0, x0 + w * at, y1), (x0 + w * at, y0, x1, y1)]
        else:
            todo += [(x0, y0, x1, y0 + h * at), (x0, y0 + h * at, x1, y1)]
    return done


def _parcels(drawing: Drawing, zone: Polygon, target: float, smallest: float) -> tuple[float, list[Polygon]]:
    """Rectangular parcels in a common direction, cut to the zone; and that direction."""
    rng = drawing.rng
    angle = float(rng.uniform(0, np.pi))
    x0, y0, x1, y1 = zone.bounds
    reach = float(np.hypot(x1 - x0, y1 - y0))
    frame = Frame((x0 + x1) / 2, (y0 + y1) / 2, angle)
    shapely.prepare(zone)
    parcels: list[Polygon] = []
    for cut in split(rng, reach, reach, target):
        parcel = Polygon(frame.rectangle(*cut)).buffer(-rng.uniform(1.0, 3.0))
        if not zone.intersects(parcel):
            continue
        inside = parcel if zone.contains(parcel) else parcel.intersection(zone)
        for part in getattr(inside, "geoms", [inside]):
            if isinstance(part, Polygon) and part.area > smallest and part.buffer(-9).area > 0.35 * part.area:
                parcels.append(part.simplify(0.5))
    return angle, parcels


def draw_farmland(drawing: Drawing, zone: Polygon) -> None:
    """Fields with crop rows, tracks or hedges between them; the object is what the fields cover."""
    rng = drawing.rng
    target = float(rng.uniform(115, 190))
    angle, parcels = _parcels(drawing, zone, target, 1800)
    if not parcels:
        return
    whole = shapely.union_all([parcel.buffer(5, join_style="mitre") for parcel in parcels]).buffer(-2)
    drawing.canvas.fill(whole, drawing.pick([(128, 120, 86), (96, 104, 64), (142, 130, 100)]), Material.GRASS, 0, 0.8)
    for parcel in parcels:
        rows = angle + (np.pi / 2 if rng.random() < 0.4 else 0.0)
        _field(drawing, parcel, rows, drawing.pick(CROPS, 0.08))
        if rng.random() < 0.16:
            ring = np.asarray(parcel.exterior.coords)
            side = int(rng.integers(max(1, len(ring) - 1)))
            hedge(drawing, ring[side : side + 2])
    for part in getattr(whole, "geoms", [whole]):
        if part.area > 40_000:
            drawing.add("farmland", part)


def _field(drawing: Drawing, parcel: Polygon, angle: float, color: Color) -> None:
    """One field: crop rows in a direction, tramlines, and patches where it grows thinner."""
    covered = drawing.canvas.cover(parcel)
    if covered is None:
        return
    window, coverage = covered
    rng = drawing.rng
    across = _across(window, angle)
    h, w = coverage.shape
    pitch = float(rng.choice([3.4, 4.5, 7.0]))
    rows = rng.uniform(0.0, 0.055) * np.sin(2 * np.pi * across / pitch)
    tramline = (np.mod(across, rng.uniform(30, 44)) < 2.2) * rng.uniform(0.02, 0.10)
    patches = fractal_noise(h, w, 60, 3, rng) * 0.05
    texture = (1 + rows - tramline + patches).astype(np.float32)
    drawing.canvas.paint(window, coverage, np.asarray(color, dtype=np.float32) * texture[..., None], Material.CROP, 0.0)


def _across(window: tuple[slice, slice], angle: float) -> Float32Array:
    """Distance of a window's pixels across a direction (h, w)."""
    y, x = np.mgrid[window[0], window[1]].astype(np.float32)
    return np.asarray(x * np.float32(-np.sin(angle)) + y * np.float32(np.cos(angle)), dtype=np.float32)


def draw_meadow(drawing: Drawing, zone: Polygon) -> None:
    """Pastures: even grass with faint mowing lines and paths, hedges or single trees at the edges."""
    rng = drawing.rng
    angle, parcels = _parcels(drawing, zone, 300, 4500)
    for parcel in parcels:
        covered = drawing.canvas.cover(parcel.buffer(-2))
        if covered is None:
            continue
        window, coverage = covered
        h, w = coverage.shape
        across = _across(window, angle + rng.normal(0, 0.1))
        lines = rng.uniform(0.0, 0.035) * np.sin(2 * np.pi * across / rng.uniform(9, 16))
        patches = fractal_noise(h, w, 110, 4, rng, 0.6)
        color = np.asarray(drawing.pick(PASTURE, 0.07), dtype=np.float32)
        dry = np.asarray([26, 14, 8], dtype=np.float32) * np.clip(patches, 0, None)[..., None] * 0.5
        texture = color * (1 + lines + 0.045 * patches).astype(np.float32)[..., None] + dry
        # The sward thins out towards the edge instead of ending at a line.
        soft = ndimage.gaussian_filter(coverage, 5) * coverage
        drawing.canvas.paint(window, soft.astype(np.float32), texture, Material.LAWN, 0.0)
        drawing.canvas.material[window][coverage > 0.5] = Material.LAWN
        ring = np.asarray(parcel.exterior.coords)
        for start in range(len(ring) - 1):
            if rng.random() < 0.34 and np.hypot(*(ring[start + 1] - ring[start])) > 40:
                hedge(drawing, ring[start : start + 2], (2.5, 6.5), 0.3)
        if rng.random() < 0.5:
            _path(drawing, parcel)
        if parcel.area > 30_000:
            drawing.add("meadow", parcel)


def _path(drawing: Drawing, parcel: Polygon) -> None:
    """A worn footpath across a parcel."""
    rng = drawing.rng
    x0, y0, x1, y1 = parcel.bounds
    ends = np.array([[rng.uniform(x0, x1), y0], [rng.uniform(x0, x1), y1]])
    t = np.linspace(0, 1, 40)[:, None]
    line = ends[0] * (1 - t) + ends[1] * t
    line[:, 0] += np.cumsum(rng.normal(0, 2.0, 40))
    inside = LineString(line).intersection(parcel)
    for part in getattr(inside, "geoms", [inside]):
        if isinstance(part, LineString) and len(part.coords) > 1:
            drawing.canvas.fill(part.buffer(1.2), EARTH_TRACK, Material.SOIL, None, 0.45)


def draw_scrub(drawing: Drawing, count: int) -> None:
    """Single bushes and small groups over the rough ground, denser in some places than in others."""
    rng, size = drawing.rng, drawing.canvas.size
    density = fractal_noise(64, 64, 14, 3, rng)
    places: list[Float64Array] = []
    for x, y in rng.uniform(0, size, (count, 2)):
        if density[int(y * 64 / size), int(x * 64 / size)] > 0.1 and drawing.canvas.material_at(x, y) == Material.GRASS:
            group = int(rng.geometric(0.28))
            places.append(np.array([x, y]) + rng.normal(0, 4 + 2.2 * group**0.5, (group, 2)))
    if places:
        points = np.concatenate(places)
        rough = [drawing.canvas.material_at(x, y) == Material.GRASS for x, y in points]
        plant(drawing, points[np.asarray(rough)], (2.0, 6.0))
