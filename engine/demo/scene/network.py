"""Local roads that tie every site to the highways: least-cost paths over a coarse grid of what may be crossed."""

from __future__ import annotations

import numpy as np
from shapely.geometry import LineString, Polygon
from skimage.graph import MCP_Geometric

from engine.demo.scene.layout import CELL, Plan, Site, mask_of, smooth_line
from engine.types import Float64Array

_ROADLESS = frozenset({"pond", "bare_land"})


def connect(plan: Plan, rng: np.random.Generator) -> list[Float64Array]:
    """Polylines (n, 2), in pixels, from the nearest gate of each site to the network as it has grown so far."""
    size = plan.size
    side = -(-size // CELL)
    cost = 1 + 0.9 * rng.random((side, side))
    cost[mask_of([plan.river.buffer(10)], size, CELL)] = 14
    cost[mask_of([plan.sea.buffer(60)], size, CELL)] = -1
    if plan.railway is not None:
        cost[mask_of([LineString(plan.railway).buffer(30)], size, CELL)] = 30
    placed = [*plan.sites, *(site for site in (plan.harbour, plan.station) if site is not None)]
    cost[mask_of([Polygon(site.outline).buffer(12) for site in placed], size, CELL)] = -1
    roads = mask_of([LineString(line).buffer(6) for line in plan.highways], size, CELL)
    if plan.interchange is not None:
        cost[mask_of([LineString(plan.interchange.ellipse(0, 0, 245, 245)).buffer(6).convex_hull], size, CELL)] = -1
        roads &= cost > 0
    cost[roads] = 0.2
    lines: list[Float64Array] = []
    for site in sorted(placed, key=lambda s: _distance(s, plan)):
        if site.kind in _ROADLESS:
            continue
        finder = MCP_Geometric(cost)
        costs, _ = finder.find_costs([tuple(cell) for cell in np.argwhere(roads)])
        best: tuple[float, tuple[int, int], Float64Array] | None = None
        for outside, inside in _gates(site):
            cell = (int(outside[1] // CELL), int(outside[0] // CELL))
            if not (0 <= cell[0] < side and 0 <= cell[1] < side) or not np.isfinite(costs[cell]):
                continue
            if best is None or costs[cell] < best[0]:
                best = (float(costs[cell]), cell, np.stack((inside, outside)))
        if best is None:
            continue
        path = np.asarray(finder.traceback(best[1]))
        line = np.concatenate((best[2], (path[::-1][:, ::-1] + 0.5) * CELL))
        if len(line) < 4:
            continue
        lines.append(smooth_line(line, 3 * len(line), 4.0))
        for r, c in path:
            roads[r, c] = True
            cost[r, c] = 0.2
    return lines


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
