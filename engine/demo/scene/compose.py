"""Draws a planned scene, back to front, and collects its objects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from shapely.geometry import LineString, Polygon, box
from shapely.geometry.base import BaseGeometry

from engine.demo.scene import (
    airport,
    bare,
    city,
    harbour,
    housing,
    industry,
    landcover,
    parking,
    rail,
    roads,
    sports,
    water,
)
from engine.demo.scene.canvas import Canvas, Sun
from engine.demo.scene.drawing import Drawing, DrawnObject
from engine.demo.scene.layout import HIGHWAY_WIDTH, Plan, Site, reserved
from engine.demo.scene.network import Road, connect
from engine.demo.scene.render import render
from engine.types import Progress, ProgressSink, UInt8Array

_PAINTERS: dict[str, Callable[[Drawing, Site], None]] = {
    "airport": airport.draw_airport,
    "bare_land": bare.draw_bare_land,
    "baseball_field": sports.draw_baseball_field,
    "church": city.draw_church,
    "commercial": city.draw_commercial,
    "dense_residential": housing.draw_dense_residential,
    "football_field": sports.draw_football_field,
    "industrial": industry.draw_industrial,
    "park": city.draw_park,
    "parking_lot": parking.draw_parking_lot,
    "pond": water.draw_pond,
    "running_track": sports.draw_running_track,
    "school": city.draw_school,
    "sparse_residential": housing.draw_sparse_residential,
    "square": city.draw_square,
    "stadium": sports.draw_stadium,
    "storage_tanks": industry.draw_storage_tanks,
    "tennis_courts": sports.draw_tennis_courts,
}
_STEPS = 6


def compose(plan: Plan, seed: int, progress: ProgressSink) -> tuple[UInt8Array, list[DrawnObject]]:
    """The picture (size, size, 3) uint8 of a layout, and its objects with polygons in pixels, cut to the picture.

    Each part draws from a generator of its own, so that a change to one leaves the others as they are.
    """
    done = 0

    def step(detail: str) -> None:
        nonlocal done
        progress(Progress("scene", done, _STEPS, detail))
        done += 1

    setup = np.random.default_rng([seed, 1000])
    sun = Sun(float(setup.uniform(0, 2 * np.pi)), float(np.deg2rad(setup.uniform(44, 54))))
    drawing = Drawing(Canvas(plan.size, sun), setup)

    def part(number: int) -> Drawing:
        drawing.rng = np.random.default_rng([seed, 1000 + number])
        return drawing

    step("ground")
    landcover.draw_ground(part(1))
    local = connect(plan, np.random.default_rng([seed, 1002]))
    step("land cover")
    _draw_country(part(3), plan, local)
    step("water and roads")
    water.draw_sea(part(4), plan)
    water.draw_river(part(5), plan)
    water.draw_bank_trees(part(6), plan)
    _draw_ways(part(7), plan, local)
    step("sites")
    for number, site in enumerate(plan.sites):
        _PAINTERS[site.kind](part(100 + number), site)
    if plan.station is not None:
        rail.draw_station(part(8), plan.station, plan)
    if plan.harbour is not None:
        harbour.draw_harbour(part(9), plan.harbour, plan)
    landcover.draw_scrub(part(10), round(9000 * (plan.size / 4096) ** 2))
    step("light and shadow")
    picture = render(drawing.canvas, np.random.default_rng([seed, 1011]))
    step("outlines")
    return picture, _inside(drawing.objects, plan.size)


def _draw_country(drawing: Drawing, plan: Plan, local: list[Road]) -> None:
    """Woods, fields and pastures on the land that is left."""
    blocked: list[BaseGeometry] = [*reserved(plan), *(Polygon(site.outline).buffer(14) for site in plan.sites)]
    blocked += [LineString(road.line).buffer(16 if road.width > 8 else 5) for road in local]
    zones = landcover.find_zones(drawing.rng, plan.size, blocked)
    for zone in zones.farmland:
        landcover.draw_farmland(drawing, zone)
    for zone in zones.meadow:
        landcover.draw_meadow(drawing, zone)
    for zone in zones.forest:
        landcover.draw_forest(drawing, zone, zone.area > 30_000)


def _draw_ways(drawing: Drawing, plan: Plan, local: list[Road]) -> None:
    """Railway, local roads, highways, then the bridges and the interchange on top."""
    rail.draw_railway(drawing, plan)
    for road in sorted(local, key=lambda r: r.width):
        roads.draw_road(drawing, road.line, road.width)
    for line in plan.highways:
        roads.draw_highway(drawing, line)
    for road in local:
        if road.width > 8:
            roads.draw_bridges(drawing, road.line, road.width, plan.river)
    for line in plan.highways:
        roads.draw_bridges(drawing, line, HIGHWAY_WIDTH, plan.river)
    if plan.interchange is not None:
        roads.draw_interchange(drawing, plan.interchange)


def _inside(objects: list[DrawnObject], size: int) -> list[DrawnObject]:
    """Objects cut to the picture; what is mostly outside is dropped."""
    frame = box(0, 0, size, size)
    kept: list[DrawnObject] = []
    for item in objects:
        cut = item.polygon.intersection(frame)
        parts = [p for p in getattr(cut, "geoms", [cut]) if isinstance(p, Polygon) and p.area > 20]
        if parts and (item.kind in {"sea", "river", "beach"} or cut.area > 0.3 * item.polygon.area):
            kept.extend(DrawnObject(item.kind, p, item.part_of) for p in parts)
    return kept
