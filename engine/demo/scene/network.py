"""Local roads that tie every site to the highways: least-cost paths over a coarse grid of what may be crossed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from shapely.geometry import LineString, Polygon
from skimage.graph import MCP_Geometric

from engine.demo.scene.layout import CELL, Plan, Site, mask_of, smooth_line
from engine.types import Float64Array

LOCAL_WIDTH = 14.0
TRACK_WIDTH = 6.0
_ROADLESS = frozenset({"pond", "bare_land"})


@dataclass(frozen=True, slots=True)
class Road:
    """A local road or farm track: polyline (n, 2) and width, in pixels."""

    line: Float64Array
    width: float


class _Grid:
    """What a step costs where (negative: no way through), and which cells are roads already."""

    def __init__(self, plan: Plan, rng: np.random.Generator) -> None:
        size = plan.size
        self.side = -(-size // CELL)
        self.cost = 1 + 0.9 * rng.random((self.side, self.side))
        self.cost[mask_of([plan.river.buffer(10)], size, CELL)] = 60
        self.cost[mask_of([plan.sea.buffer(60)], size, CELL)] = -1
        if plan.railway is not None:
            self.cost[mask_of([LineString(plan.railway).buffer(30)], size, CELL)] = 30
        self.cost[mask_of([Polygon(site.outline).buffer(12) for site in _placed(plan)], size, CELL)] = -1
        self.roads = mask_of([LineString(line).buffer(6) for line in plan.highways], size, CELL)
        if plan.interchange is not None:
            ring = Polygon(plan.interchange.ellipse(0, 0, 258, 258))
            self.cost[mask_of([ring], size, CELL)] = -1
            self.roads &= self.cost > 0
        self.cost[self.roads] = 0.2

    def way(self, goals: list[tuple[Float64Array, Float64Array]]) -> Float64Array | None:
        """The cheapest line (n, 2) to the network from one of the goals: pairs (point on the grid, end point)."""
        cells: dict[tuple[int, int], Float64Array] = {}
        for outside, end in goals:
            cell = (int(outside[1] // CELL), int(outside[0] // CELL))
            if 0 <= cell[0] < self.side and 0 <= cell[1] < self.side and self.cost[cell] > 0:
                cells[cell] = np.stack((end, outside))
        if not cells or not self.roads.any():
            return None
        finder = MCP_Geometric(self.cost)
        starts = [tuple(cell) for cell in np.argwhere(self.roads)]
        costs, _ = finder.find_costs(starts, list(cells), find_all_ends=False)
        reached = [cell for cell in cells if np.isfinite(costs[cell])]
        if not reached:
            return None
        goal = min(reached, key=lambda cell: float(costs[cell]))
        path = np.asarray(finder.traceback(goal))
        for r, c in path:
            self.roads[r, c] = True
            self.cost[r, c] = 0.2
        line = np.concatenate((cells[goal], (path[::-1][:, ::-1] + 0.5) * CELL))
        return smooth_line(line, 3 * len(line), 4.0) if len(line) >= 4 else None


def _placed(plan: Plan) -> list[Site]:
    return [*plan.sites, *(site for site in (plan.harbour, plan.station) if site is not None)]


def connect(plan: Plan, rng: np.random.Generator) -> list[Road]:
    """Roads from the nearest gate of each site to the network as it has grown so far, then farm tracks."""
    grid = _Grid(plan, rng)
    found: list[Road] = []
    for line in _river_crossing(plan, rng):
        found.append(Road(line, LOCAL_WIDTH))
        for end, before in ((line[0], line[4]), (line[-1], line[-5])):
            link = grid.way([(end, before)])
            if link is not None:
                found.append(Road(link, LOCAL_WIDTH))
    for site in sorted(_placed(plan), key=lambda s: _distance(s, plan)):
        if site.kind not in _ROADLESS:
            way = grid.way(_gates(site))
            if way is not None:
                found.append(Road(way, LOCAL_WIDTH))
    for point in rng.uniform(0.03 * plan.size, 0.97 * plan.size, (round(16 * (plan.size / 4096) ** 2), 2)):
        cell = grid.cost[int(point[1] // CELL), int(point[0] // CELL)]
        track = grid.way([(point, point)]) if 0.5 < cell < 2 else None
        if track is not None:
            found.append(Road(track, TRACK_WIDTH))
    return found


def _river_crossing(plan: Plan, rng: np.random.Generator) -> list[Float64Array]:
    """A straight line across the river, away from highways and sites; none where there is no such place."""
    obstacles = [LineString(line).buffer(260) for line in plan.highways]
    obstacles += [Polygon(site.outline).buffer(30) for site in _placed(plan)]
    if plan.railway is not None:
        obstacles.append(LineString(plan.railway).buffer(120))
    obstacles.append(plan.sea.buffer(250))
    line = plan.river_line
    for at in rng.permutation(np.arange(30, len(line) - 30, 4)):
        ahead = line[at + 3] - line[at - 3]
        normal = np.array([-ahead[1], ahead[0]]) / float(np.hypot(ahead[0], ahead[1]))
        t = np.linspace(-150, 150, 31)[:, None]
        crossing = np.asarray(line[at] + t * normal)
        inside = crossing.min() > 60 and crossing.max() < plan.size - 60
        if inside and not any(LineString(crossing).intersects(shape) for shape in obstacles):
            return [crossing]
    return []


def _distance(site: Site, plan: Plan) -> float:
    """Distance from a site to the nearest highway."""
    outline = Polygon(site.outline)
    return min(float(outline.distance(LineString(line))) for line in plan.highways)


def _gates(site: Site) -> list[tuple[Float64Array, Float64Array]]:
    """Pairs of points (just outside, just inside) at the middle of each side."""
    w, h = site.width / 2, site.height / 2
    pairs = []
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        outside = site.frame.world([(dx * (w + 34), dy * (h + 34))])[0]
        inside = site.frame.world([(dx * (w - 2), dy * (h - 2))])[0]
        pairs.append((outside, inside))
    return pairs
