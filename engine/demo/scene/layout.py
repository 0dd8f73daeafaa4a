"""Where everything goes: coast, river, highways, railway, and the rotated rectangles that the sites are drawn in.

Pure geometry from a seed; nothing is drawn. The coarse order (coast on one side, a river to it, two highways, a railway
that cuts a corner) is drawn in the unit square with random offsets and bends, then turned or mirrored into one of eight
positions. Sites are packed where room is left, the large ones first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from shapely.geometry import LineString, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from engine.demo.scene.canvas import Frame
from engine.types import BoolArray, Float64Array

CELL = 16  # pixels of one cell of the occupancy grid
FULL = 4096  # side of the scene that the counts in SITES are for

RIVER_WIDTH = 62.0  # pixels: with its bends it then fits a tile, as rivers do in RSICD
HIGHWAY_WIDTH = 34.0
RAIL_CORRIDOR = 60.0


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """How large a site is (pixels), how many there are on a full scene, and how much it is drawn to the town (−1…1)."""

    kind: str
    width: float
    height: float
    count: int
    pull: float = 0.0
    margin: float = 26.0


# Large ones first: packing depends on the order.
SITES: tuple[SiteSpec, ...] = (
    SiteSpec("airport", 1240, 560, 1, -0.6, 40),
    SiteSpec("commercial", 640, 560, 1, 1.0),
    SiteSpec("dense_residential", 640, 540, 2, 0.9),
    SiteSpec("sparse_residential", 580, 480, 2, -0.2),
    SiteSpec("industrial", 500, 420, 2, -0.2),
    SiteSpec("park", 420, 380, 1, 0.8),
    SiteSpec("square", 350, 340, 2, 1.2),
    SiteSpec("church", 316, 296, 2, 1.2),
    SiteSpec("storage_tanks", 330, 260, 2, -0.4),
    SiteSpec("stadium", 300, 270, 2, 0.2),
    SiteSpec("school", 330, 270, 2, 0.6),
    SiteSpec("bare_land", 360, 310, 2, -0.7, 12),
    SiteSpec("parking_lot", 310, 240, 3, 0.4),
    SiteSpec("running_track", 270, 172, 2, 0.3),
    SiteSpec("pond", 250, 220, 4, -0.4),
    SiteSpec("baseball_field", 226, 226, 3, 0.1),
    SiteSpec("tennis_courts", 236, 190, 2, 0.4),
    SiteSpec("football_field", 230, 160, 3, 0.1),
)


@dataclass(frozen=True, slots=True)
class Site:
    """A placed site: its kind, its frame (origin at the centre) and its size in pixels."""

    kind: str
    frame: Frame
    width: float
    height: float

    @property
    def outline(self) -> Float64Array:
        """The site's corners in pixels (4, 2)."""
        w, h = self.width / 2, self.height / 2
        return self.frame.rectangle(-w, -h, w, h)


@dataclass(slots=True)
class Plan:
    """The layout of a scene, in pixels."""

    size: int
    coast: Float64Array  # polyline (n, 2), the sea on one side of it
    sea: BaseGeometry
    river: BaseGeometry
    river_line: Float64Array
    highways: list[Float64Array]
    railway: Float64Array | None
    interchange: Frame | None
    harbour: Site | None
    station: Site | None
    town: tuple[float, float]
    sites: list[Site] = field(default_factory=list)

    @property
    def kinds(self) -> set[str]:
        """Kinds of object that this layout is sure to show."""
        found = {site.kind for site in self.sites} | {"sea", "beach", "river", "bridge"}
        found |= {"forest", "farmland", "meadow"}
        if self.harbour is not None:
            found |= {"harbour", "boat"}
        if self.station is not None:
            found |= {"railway_station"}
        if self.interchange is not None:
            found |= {"interchange"}
        if "airport" in found:
            found |= {"plane", "runway"}
        return found


def smooth_line(points: Float64Array, count: int = 400, sigma: float = 12.0) -> Float64Array:
    """A polyline resampled to ``count`` even steps and rounded off; the ends stay."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    run = np.concatenate(([0.0], np.cumsum(steps)))
    at = np.linspace(0, run[-1], count)
    dense = np.stack((np.interp(at, run, points[:, 0]), np.interp(at, run, points[:, 1])), axis=1)
    # Reflection about the end points keeps them in place.
    pad = int(4 * sigma)
    before, after = 2 * dense[0] - dense[pad:0:-1], 2 * dense[-1] - dense[-2 : -pad - 2 : -1]
    return np.asarray(
        ndimage.gaussian_filter1d(np.concatenate((before, dense, after)), sigma, axis=0)[pad:-pad], dtype=np.float64
    )


def _wander(rng: np.random.Generator, count: int, strength: float, knots: int) -> Float64Array:
    """A smooth random curve of ``count`` samples and about ``strength`` deviation."""
    values = rng.normal(0, strength, knots + 2)
    return np.asarray(
        ndimage.gaussian_filter1d(
            np.interp(np.linspace(0, knots + 1, count), np.arange(knots + 2), values), count / knots / 3
        )
    )


def plan_scene(seed: int, size: int) -> Plan:
    """The layout for a seed. Scenes below 3000 pixels keep coast, river and one highway, and as many sites as fit.

    A layout in which a site found no room is drawn again, from the same seed, up to a dozen times. The fullest is kept;
    after six tries one that shows every kind is good enough.
    """
    plans: list[Plan] = []
    wanted = _wanted(size)
    for attempt in range(12):
        rng = np.random.default_rng([seed, attempt])
        plan = _corridors(rng, size)
        _pack(plan, rng, wanted)
        plans.append(plan)
        best = max(plans, key=lambda p: (len(p.kinds), len(p.sites)))  # the earliest of equals
        every_kind = {site.kind for site in best.sites} == {spec.kind for spec in wanted}
        if len(plan.sites) == len(wanted) or (attempt >= 5 and every_kind):
            break
    return best


def _wanted(size: int) -> list[SiteSpec]:
    """Every site to place, largest first; on small scenes one of each kind that may fit, small ones first."""
    share = (size / FULL) ** 2
    wanted: list[SiteSpec] = []
    for spec in SITES:
        if share >= 0.9:
            wanted.extend([spec] * max(spec.count, round(spec.count * share)))
        elif spec.width < size / 3.2:
            wanted.append(spec)
    return wanted if share >= 0.9 else sorted(wanted, key=lambda spec: spec.width)


def _corridors(rng: np.random.Generator, size: int) -> Plan:
    """Coast, river, highways and railway with what sits on them."""
    large = size >= 3000
    t = np.linspace(-0.08, 1.08, 500)
    tilt = rng.uniform(-0.22, 0.22)
    coast_x = rng.uniform(0.80, 0.85) + tilt * (t - 0.5) + _wander(rng, len(t), 0.045, 6)
    side = rng.choice([-1.0, 1.0])
    river_y = 0.5 + side * rng.uniform(0.12, 0.24)
    highway_y = 0.5 - side * rng.uniform(0.14, 0.24)
    u = np.linspace(-0.05, 1.0, 400)
    bends = 0.052 * np.sin(2 * np.pi * (u * rng.uniform(1.1, 1.9) + rng.uniform(0, 1)))
    bends += _meanders(rng.spawn(1)[0], u, size)
    river = np.stack(
        (u, river_y + rng.uniform(-0.15, 0.15) * (u - 0.5) + bends + _wander(rng, len(u), 0.03, 5)), axis=1
    )
    first_x = rng.uniform(0.46, 0.56)
    first = np.stack((first_x + rng.uniform(-0.12, 0.12) * (t - 0.5) + _wander(rng, len(t), 0.022, 4), t), axis=1)
    second = np.stack((t, highway_y + rng.uniform(-0.1, 0.1) * (t - first_x) + _wander(rng, len(t), 0.02, 4)), axis=1)
    rail_ends = np.array([[-0.05, rng.uniform(0.76, 0.86)], [rng.uniform(0.62, 0.78), 1.05]])
    bow = rng.uniform(-0.03, 0.03)
    middle = rail_ends.mean(axis=0) + np.array([bow, -bow])
    rail = smooth_line(np.array([rail_ends[0], middle, rail_ends[1]]), 300, 60)
    if side > 0:
        # The railway keeps to the corner away from the river.
        rail = rail * (1, -1) + (0, 1)

    turn, mirror = int(rng.integers(4)), bool(rng.integers(2))

    def place(points: Float64Array) -> Float64Array:
        centred = (points - 0.5) * ((1, -1) if mirror else (1, 1))
        c, s = ((1, 0), (0, 1), (-1, 0), (0, -1))[turn]
        turned = np.stack((c * centred[:, 0] - s * centred[:, 1], s * centred[:, 0] + c * centred[:, 1]), axis=1)
        return np.asarray((turned + 0.5) * size)

    land_end = np.stack((coast_x, t), axis=1)
    frame_box = box(0, 0, size, size)
    sea_ring = np.concatenate((land_end, [[1.4, t[-1]], [1.4, t[0]]]))
    sea = Polygon(place(sea_ring)).buffer(0).intersection(frame_box)
    coast = place(land_end)
    width = RIVER_WIDTH * (1 if large else 0.55)
    river_line = place(river)
    river_shape = _band(
        river_line, width * (1 + 0.16 * _wander(rng, len(u), 1.0, 9)) * (0.85 + 0.35 * np.clip(u, 0, 1))
    )
    river_shape = river_shape.intersection(frame_box).difference(sea.buffer(1))
    if river_shape.geom_type == "MultiPolygon":
        river_shape = max(river_shape.geoms, key=lambda part: part.area)

    highways = [place(first)]
    interchange: Frame | None = None
    harbour: Site | None = None
    if large:
        second_line, interchange = _cross(first, second)
        stop = np.argmax(second_line[:, 0] > np.interp(second_line[:, 1], t, coast_x) - 0.034)
        second_line = second_line[: stop or None]
        highways.append(place(second_line))
        spot, ahead = place(np.array([[interchange.x, interchange.y], [interchange.x + 0.01, interchange.y]]))
        highways[0] = place(_straight_through(first, (interchange.x, interchange.y), 0.075, vertical=True))
        interchange = Frame(float(spot[0]), float(spot[1]), float(np.arctan2(*(ahead - spot)[::-1])))
        quay_y = float(second_line[-1, 1])
        quay_x = float(np.interp(quay_y, t, coast_x))
        near = np.abs(t - quay_y) < 0.11
        slope = np.polyfit(t[near], coast_x[near], 1)[0]
        here, along, out = place(
            np.array([[quay_x, quay_y], [quay_x + slope * 0.01, quay_y + 0.01], [quay_x + 0.01, quay_y]])
        )
        bearing = float(np.arctan2(*(along - here)[::-1]))
        frame = Frame(float(here[0]), float(here[1]), bearing)
        # The frame's y axis points out to sea, whichever way the layout was mirrored.
        across = frame.world([(0, 1)])[0] - here
        if float(across @ (out - here)) < 0:
            frame = Frame(frame.x, frame.y, bearing + np.pi)
        harbour = Site("harbour", frame, 760, 560)

    railway = place(rail) if large else None
    station: Site | None = None
    if railway is not None:
        # As far from the highway that crosses the line, and from the edges, as the line allows.
        edge = np.minimum(railway, size - railway).min(axis=1)
        clear = np.array([LineString(highways[0]).distance(Point(point)) for point in railway])
        at = int(np.argmax(np.minimum(np.clip(edge - 180, None, 420), clear) + rng.uniform(0, 90, len(railway))))
        heading = railway[min(at + 4, len(railway) - 1)] - railway[max(at - 4, 0)]
        station = Site(
            "railway_station",
            Frame(float(railway[at, 0]), float(railway[at, 1]), float(np.arctan2(heading[1], heading[0]))),
            700,
            300,
        )
    town_x, town_y = place(np.array([[rng.uniform(0.34, 0.66), 0.5 + rng.uniform(-0.2, 0.2)]]))[0]
    return Plan(
        size,
        coast,
        sea,
        river_shape,
        river_line,
        highways,
        railway,
        interchange,
        harbour,
        station,
        (float(town_x), float(town_y)),
    )


def _meanders(rng: np.random.Generator, u: Float64Array, size: int) -> Float64Array:
    """Bends of a few hundred pixels, strong in some stretches, at places ``u`` along a river; all in scene sides."""
    waves = max(2.0, 5.6 * size / FULL)
    phase = 2 * np.pi * (waves * u + 0.18 * _wander(rng, len(u), 1.0, 8) + rng.uniform(0, 1))
    strength = np.clip(0.024 + 0.010 * _wander(rng, len(u), 1.0, 5), 0.010, 0.034)
    calm = np.clip((1 - u) / 0.15, 0, 1)  # it meets the sea straight
    return np.asarray(calm * strength * np.sin(phase))


def _band(line: Float64Array, width: Float64Array) -> BaseGeometry:
    """A band of varying width (n,) about a line (n, 2)."""
    ahead = np.gradient(line, axis=0)
    normal = np.stack((-ahead[:, 1], ahead[:, 0]), axis=1) / np.hypot(ahead[:, 0], ahead[:, 1])[:, None]
    half = normal * width[:, None] / 2
    return Polygon(np.concatenate((line + half, (line - half)[::-1]))).buffer(0)


def _cross(first: Float64Array, second: Float64Array) -> tuple[Float64Array, Frame]:
    """The second line, straightened where it crosses the first, and the crossing (unit square)."""
    point = LineString(first).intersection(LineString(second)).representative_point()
    return _straight_through(second, (point.x, point.y), 0.075, vertical=False), Frame(point.x, point.y, 0.0)


def _straight_through(line: Float64Array, point: tuple[float, float], reach: float, vertical: bool) -> Float64Array:
    """The line bent so that it runs parallel to an axis within ``reach`` of a point, easing in over as much again."""
    run, off = (1, 0) if vertical else (0, 1)
    away = np.abs(line[:, run] - point[run])
    weight = 0.5 + 0.5 * np.cos(np.pi * np.clip((away - reach) / (1.6 * reach), 0, 1))
    bent = line.copy()
    bent[:, off] = weight * point[off] + (1 - weight) * line[:, off]
    return bent


def mask_of(shapes: list[BaseGeometry], size: int, cell: int) -> BoolArray:
    """Cells (size/cell, size/cell) that any of the polygons covers (holes ignored)."""
    side = -(-size // cell)
    image = Image.new("1", (side, side))
    draw = ImageDraw.Draw(image)
    for shape in shapes:
        for part in getattr(shape, "geoms", [shape]):
            if isinstance(part, Polygon) and not part.is_empty:
                draw.polygon([(x / cell, y / cell) for x, y in part.exterior.coords], fill=1, outline=1)
    return np.array(image, dtype=bool)


def reserved(plan: Plan) -> list[BaseGeometry]:
    """Polygons that no packed site may touch: water, highways, railway, and what sits on them."""
    shapes: list[BaseGeometry] = [plan.sea.buffer(120), plan.river.buffer(34)]
    shapes += [LineString(line).buffer(HIGHWAY_WIDTH / 2 + 20) for line in plan.highways]
    if plan.railway is not None:
        shapes.append(LineString(plan.railway).buffer(RAIL_CORRIDOR / 2 + 16))
    if plan.interchange is not None:
        shapes.append(Point(plan.interchange.x, plan.interchange.y).buffer(285))
    shapes += [Polygon(site.outline).buffer(24) for site in (plan.harbour, plan.station) if site is not None]
    return shapes


def _touches(outline: Float64Array, taken: BoolArray) -> bool:
    """Whether a ring (n, 2), in pixels, covers a taken cell; only the cells about it are looked at."""
    x0, y0 = np.floor(outline.min(axis=0) / CELL).astype(int)
    x1, y1 = np.floor(outline.max(axis=0) / CELL).astype(int) + 1
    image = Image.new("1", (int(x1 - x0), int(y1 - y0)))
    ring = outline / CELL - (x0, y0)
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in ring], fill=1, outline=1)
    return bool((np.asarray(image) & taken[y0:y1, x0:x1]).any())


def _pack(plan: Plan, rng: np.random.Generator, wanted: list[SiteSpec]) -> None:
    """Place the sites one after the other: of the places with room, one that fits tightly and near enough the town."""
    size = plan.size
    taken = mask_of(reserved(plan), size, CELL)
    taken = np.pad(taken, 1, constant_values=True)[1:-1, 1:-1]
    base = rng.uniform(0, np.pi / 2)
    side = taken.shape[0]
    rows, cols = np.mgrid[0:side, 0:side]
    to_town = np.hypot(cols * CELL - plan.town[0], rows * CELL - plan.town[1]) / size
    for spec in wanted:
        scale = rng.uniform(0.93, 1.07)
        width, height = spec.width * scale, spec.height * scale
        free = np.pad(~taken, 1)
        room = ndimage.distance_transform_edt(free)[1:-1, 1:-1] * CELL
        ok = np.argwhere(room > min(width, height) / 2 + spec.margin * 0.5)
        if not len(ok):
            continue
        best: tuple[float, Frame] | None = None
        for r, c in ok[rng.integers(len(ok), size=160)]:
            angle = base + float(rng.integers(4)) * np.pi / 2 + float(rng.normal(0, 0.10))
            if spec.kind == "airport":
                angle = rng.uniform(0, 2 * np.pi)
            frame = Frame(float((c + 0.5) * CELL), float((r + 0.5) * CELL), float(angle))
            score = float(room[r, c]) / size + 0.9 * spec.pull * float(to_town[r, c]) + float(rng.uniform(0, 0.10))
            if best is not None and score >= best[0]:
                continue
            m = spec.margin
            outline = frame.rectangle(-width / 2 - m, -height / 2 - m, width / 2 + m, height / 2 + m)
            if outline.min() < 8 or outline.max() > size - 8:
                continue
            if not _touches(outline, taken):
                best = (score, frame)
        if best is not None:
            site = Site(spec.kind, best[1], width, height)
            plan.sites.append(site)
            taken |= mask_of([Polygon(site.outline).buffer(spec.margin * 0.8)], size, CELL)
