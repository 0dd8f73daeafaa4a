"""What a search finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyproj import CRS
from shapely import Polygon

from engine.models.contract import ScoreMode
from engine.text.contract import Keywords
from engine.types import Tile


@dataclass(frozen=True, slots=True)
class Subregion:
    """A part of a hit that shows a keyword: ``polygon`` in full-resolution pixel coordinates, ``score`` in [0, 1]."""

    keyword: str
    score: float
    polygon: Polygon


@dataclass(frozen=True, slots=True)
class Hit:
    """A tile that answers the query.

    Attributes:
        rank: from 1.
        raster: which of the searched rasters, from 0.
        tile: its window.
        score: by which it is ranked; of a refined hit that of the search's mode, else ``score_global``. The two kinds
            are not on one scale, so refined hits stand before the others.
        score_global: of the whole tile.
        percentile: of all tiles of the search, over all rasters, the share in percent whose ``score_global`` is lower.
        score_regions: mean of its subregions' embeddings against the query; None where there are none.
        subregions: outlined keywords.
        refined: whether its keywords have been looked for.
    """

    rank: int
    raster: int
    tile: Tile
    score: float
    score_global: float
    percentile: float
    score_regions: float | None = None
    subregions: tuple[Subregion, ...] = ()
    refined: bool = False


@dataclass(slots=True)
class Timings:
    """Seconds a search spent on each part."""

    index: float = 0.0
    rank: float = 0.0
    refine: float = 0.0

    @property
    def total(self) -> float:
        return self.index + self.rank + self.refine


@dataclass(frozen=True, slots=True)
class Counts:
    """Tiles of all rasters: encoded by this search, found in the index, and (of both) left out for lack of data."""

    rasters: int
    tiles: int
    encoded: int
    reused: int
    left_out: int


@dataclass(frozen=True, slots=True)
class RasterOutcome:
    """What a query came to on one raster, whether or not any hit lies there.

    Attributes:
        tiles: searched, those without enough data included.
        best_score: the best ``score_global`` of its tiles; None where none has enough data.
        best_percentile: of that tile, among all tiles of the search; None likewise.
        seconds: spent on it: scoring its tiles and refining its hits, and with the first query its index.
    """

    tiles: int
    best_score: float | None
    best_percentile: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The hits of one query, best first, with what is needed to place them on a map.

    Attributes:
        crs: common CRS in which the hits are handed over; None where the rasters have none.
        rasters: that were searched, absolute paths or URIs; a hit names its raster by its place here.
        mode: how the score of refined hits was made.
        outcomes: one a raster, in the order of ``rasters``.
        words_read_as: words of the query that the model was not taught, and those it took for them.
    """

    query: str
    keywords: Keywords
    model: str
    hits: tuple[Hit, ...]
    crs: CRS | None
    rasters: tuple[str, ...]
    counts: Counts
    timings: Timings = field(default_factory=Timings)
    mode: ScoreMode = ScoreMode.GLOBAL
    outcomes: tuple[RasterOutcome, ...] = ()
    words_read_as: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
