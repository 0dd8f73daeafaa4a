"""Trees, hedges and scrub: crowns stamped one by one on the height map, so that they shade and throw shadows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from engine.demo.scene.canvas import Color
from engine.demo.scene.drawing import Drawing
from engine.demo.scene.materials import PLANTABLE, Material
from engine.types import BoolArray, Float32Array, Float64Array

BROADLEAF: list[Color] = [(52, 74, 42), (60, 82, 46), (46, 66, 40), (70, 88, 50), (56, 70, 44), (78, 92, 54)]
CONIFER: list[Color] = [(36, 56, 40), (40, 60, 42), (34, 52, 36)]
AUTUMN: list[Color] = [(104, 92, 50), (92, 84, 48), (112, 86, 54)]

_VARIANTS = 10
_SMALLEST, _LARGEST = 2, 14


@lru_cache(maxsize=1)
def _crowns() -> dict[int, list[tuple[Float32Array, BoolArray]]]:
    """Crown heights (0–1) and outlines by radius in pixels: lumpy domes with a ragged rim, the same in all scenes."""
    rng = np.random.default_rng(20_261)
    crowns: dict[int, list[tuple[Float32Array, BoolArray]]] = {}
    for radius in range(_SMALLEST, _LARGEST + 1):
        crowns[radius] = []
        for _ in range(_VARIANTS):
            half = radius + 1
            y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
            bearing = np.arctan2(y, x)
            rim = radius * (0.86 + sum(0.09 * np.cos(k * bearing + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 5)))
            dome = np.clip(1 - (np.hypot(x, y) / rim) ** 2, 0, None) ** 0.5
            lumps = ndimage.gaussian_filter(rng.standard_normal(x.shape), 1.1) * 0.55
            height = np.clip(dome * (1 + lumps * min(1.0, radius / 6)), 0, None).astype(np.float32)
            crowns[radius].append((height, dome > 0.12))
    return crowns


def plant(
    drawing: Drawing,
    points: npt.ArrayLike,
    radius: tuple[float, float] = (3.5, 7.5),
    colors: list[Color] | None = None,
    anywhere: bool = False,
) -> None:
    """Plant a tree at each point (n, 2), of a radius in the range; only on ground that trees grow on."""
    canvas, rng = drawing.canvas, drawing.rng
    crowns = _crowns()
    palette = np.asarray(colors or BROADLEAF, dtype=np.float32)
    places = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    count = len(places)
    radii = np.clip(rng.uniform(*radius, count).round(), _SMALLEST, _LARGEST).astype(int)
    tints = palette[rng.integers(len(palette), size=count)] * (1 + rng.normal(0, 0.09, (count, 1)))
    tints = (tints * (1 + rng.normal(0, 0.025, (count, 3)))).astype(np.float32)
    variants = rng.integers(_VARIANTS, size=count)
    size = canvas.size
    for (px, py), r, tint, variant in zip(places, radii, tints, variants, strict=True):
        x, y = int(px), int(py)
        half = r + 1
        if x < half or y < half or x >= size - half or y >= size - half:
            continue
        if not anywhere and canvas.material[y, x] not in PLANTABLE:
            continue
        crown, outline = crowns[int(r)][variant]
        window = (slice(y - half, y + half + 1), slice(x - half, x + half + 1))
        raised = crown * np.float32(r * 1.25) + np.float32(r * 0.5)
        ground = canvas.height[window]
        seen = outline & (raised > ground)
        ground[seen] = raised[seen]
        canvas.material[window][seen] = Material.TREE
        canvas.albedo[window][seen] = tint * (0.72 + 0.42 * crown[seen, None])


def scatter(drawing: Drawing, bounds: tuple[float, float, float, float], spacing: float) -> Float64Array:
    """Points (n, 2) of a jittered grid within x0, y0, x1, y1: irregular, yet without gaps or heaps."""
    x0, y0, x1, y1 = bounds
    xs, ys = np.arange(x0, x1, spacing), np.arange(y0, y1, spacing)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    return grid + drawing.rng.uniform(-0.45, 0.45, grid.shape) * spacing


def along(drawing: Drawing, line: npt.ArrayLike, spacing: float, jitter: float = 1.5) -> Float64Array:
    """Points (n, 2) at about even steps along a polyline."""
    points = np.asarray(line, dtype=np.float64)
    steps = np.hypot(*np.diff(points, axis=0).T)
    run = np.concatenate(([0.0], np.cumsum(steps)))
    at = np.arange(spacing / 2, run[-1], spacing)
    at = at + drawing.rng.uniform(-0.3, 0.3, len(at)) * spacing
    where = np.stack((np.interp(at, run, points[:, 0]), np.interp(at, run, points[:, 1])), axis=1)
    return where + drawing.rng.normal(0, jitter, where.shape)


def hedge(drawing: Drawing, line: npt.ArrayLike, radius: tuple[float, float] = (2.5, 5.5), gaps: float = 0.15) -> None:
    """A row of bushes and small trees along a polyline, with gaps."""
    points = along(drawing, line, 5.5, 1.8)
    if len(points):
        # Gaps come in runs, as field gates and felled stretches do.
        run = ndimage.gaussian_filter1d(drawing.rng.standard_normal(len(points)), 4.0, mode="nearest")
        points = points[run >= np.quantile(run, gaps)]
    plant(drawing, points, radius)
