"""Where the hits of a search will lie: known before there are any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyproj import CRS

from engine.raster.source import RasterSource
from engine.search.places import Placement


@dataclass(frozen=True, slots=True)
class SearchContext:
    """Places hits on the map while a search runs, and after it: the rasters need not be open any more.

    Attributes:
        crs: in which hits are handed over; None where the rasters have none.
        rasters: absolute paths or URIs; a hit names its raster by its place here.
        placements: of each raster.
    """

    crs: CRS | None
    rasters: tuple[str, ...]
    placements: tuple[Placement, ...]

    @classmethod
    def of(cls, sources: Sequence[RasterSource], crs: CRS | None) -> SearchContext:
        return cls(crs, tuple(source.path for source in sources), tuple(Placement(source, crs) for source in sources))
