"""Masks as polygons in the raster's full-resolution pixel coordinates."""

from __future__ import annotations

import numpy as np
from rasterio.features import shapes
from rasterio.transform import Affine
from shapely import Polygon, make_valid
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from engine.types import BoolArray, Tile

SIMPLIFY = 0.75  # mask pixels: just above the 0.71 by which the steps of a diagonal edge stand out


def mask_to_polygons(mask: BoolArray, tile: Tile, simplify: float = SIMPLIFY) -> list[Polygon]:
    """Outlines of a mask ``(H, W)`` that covers ``tile`` exactly, one polygon a 4-connected part, holes kept.

    Column c and row r of the mask's pixel corners are at ``tile.x + c * tile.width / W`` and
    ``tile.y + r * tile.height / H``: x to the right and y down, (0, 0) the raster's upper left corner.

    Args:
        mask: True inside; any resolution.
        tile: the window that the mask covers.
        simplify: largest distance (Douglas-Peucker) between outline and pixel edges, in mask pixels; 0 keeps every
            corner.

    Returns:
        Valid polygons, largest first; empty for an empty mask.
    """
    if not mask.any():
        return []
    rows, cols = mask.shape
    to_raster = Affine(tile.width / cols, 0.0, tile.x, 0.0, tile.height / rows, tile.y)
    found: list[Polygon] = []
    for geometry, _ in shapes(mask.astype(np.uint8), mask=mask, connectivity=4):
        outline = shape(geometry)
        if simplify > 0:
            outline = outline.simplify(simplify, preserve_topology=True)
        found.extend(_to_raster(part, to_raster) for part in _polygons(outline))
    return sorted(found, key=lambda polygon: -float(polygon.area))


def _polygons(geometry: BaseGeometry) -> list[Polygon]:
    """The polygons of a geometry, mended where they cross or touch themselves along a line."""
    valid = geometry if geometry.is_valid else make_valid(geometry)
    parts = getattr(valid, "geoms", [valid])
    return [part for part in parts if isinstance(part, Polygon) and part.area > 0]


def _to_raster(polygon: Polygon, transform: Affine) -> Polygon:
    def ring(coordinates: object) -> np.ndarray:
        xy = np.asarray(coordinates)[:, :2]
        return np.column_stack((transform.c + xy[:, 0] * transform.a, transform.f + xy[:, 1] * transform.e))

    return Polygon(ring(polygon.exterior.coords), [ring(hole.coords) for hole in polygon.interiors])
