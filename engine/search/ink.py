"""Colours, type and outlines of result pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont
from shapely import Polygon

Colour = tuple[int, int, int]
Point = tuple[float, float]

PAPER: Colour = (255, 255, 255)
INK: Colour = (24, 32, 44)
MUTED: Colour = (104, 115, 132)
RULE: Colour = (222, 226, 232)
# Bright, and far from the greens, browns and greys of the ground; told apart by colour-blind people too.
SERIES: tuple[Colour, ...] = ((255, 176, 0), (0, 200, 255), (255, 84, 150), (170, 120, 255), (255, 255, 255))
_SUPERSAMPLING = 2  # PIL draws hard edges; drawn larger and shrunk they become soft


@cache
def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own scalable typeface: the same picture on every machine."""
    return ImageFont.load_default(size)


def series_colour(index: int) -> Colour:
    return SERIES[index % len(SERIES)]


class Overlay:
    """Shapes on a picture, in its pixels; :meth:`onto` composes them with soft edges."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        scaled = (width * _SUPERSAMPLING, height * _SUPERSAMPLING)
        self._image = Image.new("RGBA", scaled, (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)

    def area(self, polygon: Polygon, colour: Colour, opacity: float) -> None:
        """Fill a polygon; holes stay open."""
        mask = Image.new("L", self._image.size, 0)
        draw = ImageDraw.Draw(mask)
        draw.polygon(_scaled(polygon.exterior.coords), fill=round(255 * opacity))
        for ring in polygon.interiors:
            draw.polygon(_scaled(ring.coords), fill=0)
        self._image.alpha_composite(_tinted(mask, colour))

    def outline(self, polygon: Polygon, colour: Colour, width: float, casing: bool = True) -> None:
        """Draw a polygon's rings; ``casing``: with a dark line below, so that they show on light ground too."""
        rings = [_scaled(ring.coords) for ring in (polygon.exterior, *polygon.interiors)]
        if casing:
            for ring in rings:
                self._draw.line(ring, fill=(*INK, 150), width=_line(width + 1.5), joint="curve")
        for ring in rings:
            self._draw.line(ring, fill=(*colour, 255), width=_line(width), joint="curve")

    def badge(self, at: Point, text: str, colour: Colour, size: float) -> None:
        """Dark text on a rounded tag whose upper left corner is at ``at``, moved inside the picture."""
        face = font(size * _SUPERSAMPLING)
        padding = size * 0.35 * _SUPERSAMPLING
        height = 1.35 * size * _SUPERSAMPLING
        width = max(height, face.getlength(text) + 2 * padding)
        x = min(max(0.0, at[0] * _SUPERSAMPLING), self._image.width - width - 1)
        y = min(max(0.0, at[1] * _SUPERSAMPLING), self._image.height - height - 1)
        box = (x, y, x + width, y + height)
        self._draw.rounded_rectangle(box, radius=height * 0.25, fill=(*colour, 255), outline=(*INK, 200))
        self._draw.text((x + width / 2, y + height / 2), text, font=face, fill=(*INK, 255), anchor="mm")

    def scale_bar(self, length: float, text: str) -> None:
        """A bar of ``length`` pixels with its text, in the lower left corner."""
        x, y = 16.0, self._size[1] - 18.0
        box = [value * _SUPERSAMPLING for value in (x - 8, y - 24, x + max(length, 60) + 8, y + 10)]
        self._draw.rounded_rectangle(box, radius=8, fill=(*PAPER, 225))
        ends = [value * _SUPERSAMPLING for value in (x, y, x + length, y)]
        self._draw.line(ends, fill=(*INK, 255), width=_line(3))
        place = (x * _SUPERSAMPLING, (y - 5) * _SUPERSAMPLING)
        self._draw.text(place, text, font=font(13 * _SUPERSAMPLING), fill=(*INK, 255), anchor="ls")

    def onto(self, picture: Image.Image) -> Image.Image:
        """The picture ``(width, height)`` with the shapes on it."""
        shrunk = self._image.resize(self._size, Image.Resampling.LANCZOS)
        return Image.alpha_composite(picture.convert("RGBA"), shrunk).convert("RGB")


def fit_text(text: str, face: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """The text, cut with an ellipsis where it is wider than ``width``."""
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _tinted(mask: Image.Image, colour: Colour) -> Image.Image:
    tinted = Image.new("RGBA", mask.size, (*colour, 0))
    tinted.putalpha(mask)
    return tinted


def _scaled(points: Sequence[Point]) -> list[Point]:
    return [(point[0] * _SUPERSAMPLING, point[1] * _SUPERSAMPLING) for point in points]


def _line(width: float) -> int:
    return max(1, round(width * _SUPERSAMPLING))
