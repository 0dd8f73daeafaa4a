"""A page to look at: the raster with its hits, and for each query a strip of the best."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from PIL import Image, ImageDraw

from engine.raster.read import TileReader
from engine.raster.source import RasterSource
from engine.raster.stretch import given_stretch
from engine.search.hits import Hit, SearchResult
from engine.search.ink import INK, MUTED, PAPER, RULE, fit_text, font, series_colour
from engine.search.output import check_output, replacing
from engine.search.views import Shown, draw_map, draw_thumbnail, hits_on

SUFFIXES = (".png", ".jpg", ".jpeg")

WIDTH = 1640
MARGIN = 40
MAP_HEIGHT = 1400
ON_MAP = 5  # hits a query: more than a page can tell apart
THUMBNAILS, GAP = 5, 16
THUMBNAIL = (WIDTH - 2 * MARGIN - (THUMBNAILS - 1) * GAP) // THUMBNAILS
HEADER = 96
STRIP_TITLE, CAPTION = 58, 52


def draw_picture(
    results: Sequence[SearchResult],
    path: Path,
    bands: tuple[int, ...] | None = None,
    overwrite: bool = False,
    note: str = "",
    stretch: Sequence[tuple[float, float]] | None = None,
) -> None:
    """Draw the results of one or more queries on one page.

    The map shows the raster on which the first query's best hit lies, with up to five hits of each query; the strips
    show the five best of all rasters.

    Args:
        path: PNG or JPEG.
        bands, stretch: as the rasters were searched.
        note: a line below the title, such as where the raster comes from.

    Raises:
        OutputError: the file exists and is not to be replaced, or cannot be written.
        RasterError: a raster cannot be read any more.
    """
    check_output(path, overwrite, SUFFIXES)
    page = _Page(results, bands, note, stretch).draw()
    with replacing(path) as temporary:
        page.save(temporary, quality=92)


class _Page:
    def __init__(
        self,
        results: Sequence[SearchResult],
        bands: tuple[int, ...] | None,
        note: str,
        stretch: Sequence[tuple[float, float]] | None,
    ) -> None:
        self._results, self._bands, self._note, self._stretch = results, bands, note, stretch
        first = results[0]
        self._raster = first.rasters[first.hits[0].raster if first.hits else 0]
        self._readers: dict[str, TileReader] = {}
        self._stack = ExitStack()

    def draw(self) -> Image.Image:
        with self._stack:
            chart = self._map()
            strip = STRIP_TITLE + THUMBNAIL + CAPTION
            top = HEADER + chart.height + 24
            page = Image.new("RGB", (WIDTH, top + strip * len(self._results) + MARGIN), PAPER)
            draw = ImageDraw.Draw(page)
            self._header(draw)
            page.paste(chart, ((WIDTH - chart.width) // 2, HEADER))
            for series, result in enumerate(self._results):
                self._strip(page, draw, series, result, top + series * strip)
        return page

    def _map(self) -> Image.Image:
        shown = [Shown(i, hits_on(result, self._raster, ON_MAP)) for i, result in enumerate(self._results)]
        with RasterSource.open(self._raster) as source:
            pixel_m = source.pixel_size_m
        return draw_map(self._reader(self._raster), shown, WIDTH - 2 * MARGIN, MAP_HEIGHT, pixel_m)

    def _header(self, draw: ImageDraw.ImageDraw) -> None:
        result = self._results[0]
        others = len(result.rasters) - 1
        name = Path(self._raster).name + (f" and {others} more" if others else "")
        width = WIDTH - 2 * MARGIN
        draw.text((MARGIN, 44), fit_text(name, font(30), width), font=font(30), fill=INK, anchor="ls")
        facts = [f"{result.counts.tiles:,} tiles", f"model {result.model}", *([self._note] if self._note else [])]
        line = fit_text("   ·   ".join(facts), font(17), width)
        draw.text((MARGIN, 74), line, font=font(17), fill=MUTED, anchor="ls")

    def _strip(self, page: Image.Image, draw: ImageDraw.ImageDraw, series: int, result: SearchResult, top: int) -> None:
        draw.line((MARGIN, top, WIDTH - MARGIN, top), fill=RULE, width=1)
        middle = top + 32
        chip = (MARGIN, middle - 10, MARGIN + 20, middle + 10)
        draw.rounded_rectangle(chip, radius=5, fill=series_colour(series), outline=INK)
        query = fit_text(result.query, font(24), WIDTH * 0.6)
        draw.text((MARGIN + 32, middle), query, font=font(24), fill=INK, anchor="lm")
        words = [*result.keywords.positives, *(f"not {word}" for word in result.keywords.negatives)]
        outlined = fit_text(f"outlined: {', '.join(words)}", font(16), WIDTH * 0.3)
        draw.text((WIDTH - MARGIN, middle), outlined, font=font(16), fill=MUTED, anchor="rm")
        if not result.hits:
            draw.text((MARGIN, top + STRIP_TITLE), "nothing found", font=font(18), fill=MUTED, anchor="lt")
        for i, hit in enumerate(result.hits[:THUMBNAILS]):
            left = MARGIN + i * (THUMBNAIL + GAP)
            reader = self._reader(result.rasters[hit.raster])
            page.paste(draw_thumbnail(reader, hit, series, THUMBNAIL), (left, top + STRIP_TITLE))
            self._caption(draw, hit, left, top + STRIP_TITLE + THUMBNAIL + 8)

    def _caption(self, draw: ImageDraw.ImageDraw, hit: Hit, left: int, top: int) -> None:
        draw.text((left, top), f"{hit.score:.3f}", font=font(20), fill=INK, anchor="lt")
        parts = f"tile {hit.score_global:.3f}"
        if hit.score_regions is not None:
            parts += f"   regions {hit.score_regions:.3f}"
        draw.text((left + THUMBNAIL, top + 3), parts, font=font(15), fill=MUTED, anchor="rt")

    def _reader(self, raster: str) -> TileReader:
        if raster not in self._readers:
            with RasterSource.open(raster) as source:
                stretch = given_stretch(source, self._bands, self._stretch) if self._stretch else None
            reader = TileReader(raster, self._bands, stretch, THUMBNAIL, 0.0)
            self._readers[raster] = self._stack.enter_context(reader)
        return self._readers[raster]
