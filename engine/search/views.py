"""Parts of a result picture: the map of a raster with its hits, and a thumbnail of one hit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from engine.raster.read import TileReader, content_size
from engine.search.hits import Hit, SearchResult
from engine.search.ink import Overlay, series_colour
from engine.search.places import tile_outline

G = TypeVar("G", bound=BaseGeometry)

_AREA_OPACITY = 0.32


@dataclass(frozen=True, slots=True)
class Shown:
    """Some hits of one query in the colour of its series."""

    series: int
    hits: Sequence[Hit]


def hits_on(result: SearchResult, raster: str, count: int) -> list[Hit]:
    """The first ``count`` hits of a query that lie on a raster."""
    return [hit for hit in result.hits if result.rasters[hit.raster] == raster][:count]


def draw_map(reader: TileReader, shown: Sequence[Shown], width: int, height: int, pixel_m: float | None) -> Image.Image:
    """The whole raster, at most ``width`` × ``height``, with hits, subregions, ranks and a scale bar.

    Args:
        pixel_m: ground metres of a raster's pixel; None: no scale bar.
    """
    scale = min(width / reader.width, height / reader.height)
    cols, rows = max(1, round(reader.width * scale)), max(1, round(reader.height * scale))
    pixels = reader.read_window(0, 0, reader.width, reader.height, rows, cols).rgb
    overlay = Overlay(cols, rows)
    for series in shown:
        colour = series_colour(series.series)
        for hit in series.hits:
            for region in hit.subregions:
                overlay.area(_moved(region.polygon, scale), colour, _AREA_OPACITY)
        for hit in series.hits:
            for region in hit.subregions:
                overlay.outline(_moved(region.polygon, scale), colour, 1.0, casing=False)
            overlay.outline(_moved(tile_outline(hit.tile), scale), colour, 2.0)
    # Badges last, worst first: the best are on top.
    for series in shown:
        for hit in reversed(series.hits):
            place = (hit.tile.x * scale + 3, hit.tile.y * scale + 3)
            overlay.badge(place, str(hit.rank), series_colour(series.series), 14)
    if pixel_m is not None:
        length, text = _scale_bar(pixel_m / scale, cols / 5)
        overlay.scale_bar(length, text)
    return overlay.onto(Image.fromarray(pixels))


def draw_thumbnail(reader: TileReader, hit: Hit, series: int, side: int) -> Image.Image:
    """The tile of a hit in a square of ``side`` pixels, its subregions outlined."""
    tile = hit.tile
    rows, cols = content_size(tile, side)
    pixels = reader.read_window(tile.x, tile.y, tile.width, tile.height, rows, cols).rgb
    scale = side / max(tile.width, tile.height)
    overlay = Overlay(cols, rows)
    for region in hit.subregions:
        overlay.outline(_moved(region.polygon, scale, tile.x, tile.y), series_colour(series), 1.6)
    overlay.badge((6, 6), str(hit.rank), series_colour(series), 18)
    picture = Image.new("RGB", (side, side), (236, 239, 243))
    picture.paste(overlay.onto(Image.fromarray(pixels)), ((side - cols) // 2, (side - rows) // 2))
    return picture


def _moved(geometry: G, scale: float, x: float = 0.0, y: float = 0.0) -> G:
    moved: G = affine_transform(geometry, [scale, 0.0, 0.0, scale, -x * scale, -y * scale])
    return moved


def _scale_bar(metres_a_pixel: float, longest: float) -> tuple[float, str]:
    """Pixels and text of the longest bar of 1, 2 or 5 times a power of ten metres."""
    power = 10.0 ** math.floor(math.log10(longest * metres_a_pixel))
    metres = max(step * power for step in (1, 2, 5) if step * power <= longest * metres_a_pixel)
    return metres / metres_a_pixel, f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
