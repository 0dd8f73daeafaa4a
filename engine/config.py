"""The options of indexing and searching, with their defaults and limits, and where the cache is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import UsageError
from engine.types import TextEnum

CACHE_VARIABLE = "MPSCLIP_CACHE"
Options = TypeVar("Options", bound="_Options")


class SegmenterName(TextEnum):
    """What outlines the keywords on the best tiles (docs/segmenters.md).

    ``auto``: what suits this machine; ``none`` leaves the ranking of the whole tiles as it is.
    """

    AUTO = "auto"
    RELEVANCE = "relevance"
    RELEVANCE_SAM = "relevance+sam"
    LANGSAM = "langsam"
    SAMGEO3 = "samgeo3"
    NONE = "none"


class ScoreName(TextEnum):
    """How the subregions of a refined hit enter its score; ``auto`` is the way that suits the model on validation."""

    AUTO = "auto"
    GLOBAL = "global"
    FUSED = "fused"
    MAX_VIEW = "max-view"


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def checked(cls: type[Options], **values: Any) -> Options:
        """Options from outside; values that are None take their defaults.

        Raises:
            UsageError: an unknown option, or a value out of range; names both.
        """
        try:
            return cls(**{name: value for name, value in values.items() if value is not None})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(step) for step in first["loc"])
            raise UsageError(f"Option {name} cannot be {first['input']!r}.", f"{first['msg']}.", option=name) from error


class AreaOption(_Options):
    """Where to search.

    Attributes:
        wkt: a polygon or several.
        crs: of ``wkt``, anything pyproj understands; None: that of each raster.
    """

    wkt: str
    crs: str | None = None


class IndexOptions(_Options):
    """How rasters are cut into tiles and encoded.

    Attributes:
        tile: side of a tile, as :func:`engine.raster.grid.parse_tile_size` reads it; by default it follows from the
            ground resolution.
        overlap: of neighbouring tiles, as a fraction of the side.
        min_valid: share of a tile's pixels that must hold data, else the tile is left out.
        bands: one or three band numbers from 1; None: by colour interpretation.
        stretch: band values that become 0 and 255, one pair for all bands or one for each of red, green and blue;
            None: percentiles of the raster.
        area: only tiles that share ground with it are encoded and searched; None: all.
        batch_size: tiles encoded at once; None: 32 on the CPU, 256 elsewhere.
        commit_seconds: work that a killed run may lose.
    """

    tile: str = "auto"
    overlap: float = Field(default=0.25, ge=0.0, le=0.9)
    min_valid: float = Field(default=0.5, ge=0.0, le=1.0)
    bands: tuple[int, ...] | None = None
    stretch: tuple[tuple[float, float], ...] | None = None
    area: AreaOption | None = None
    batch_size: int | None = Field(default=None, ge=1, le=4096)
    commit_seconds: float = Field(default=5.0, ge=0.0)


class SearchOptions(IndexOptions):
    """How a query is answered.

    Attributes:
        top: hits to return at most.
        refine: of the best hits, how many are outlined and ranked again; 0: none.
        segmenter: what outlines them.
        score: how what is outlined enters their score; with ``global`` not at all.
        nms: a hit that overlaps a better one by more than this IoU (area of intersection ÷ area of union) is dropped.
        crs: of the result, anything pyproj understands; None: the rasters' own where they agree, else EPSG:4326.
        min_score: tiles whose own score (``score_global``) is less are no hits; None: all may be.
    """

    top: int = Field(default=50, ge=1, le=100_000)
    refine: int = Field(default=32, ge=0, le=10_000)
    segmenter: SegmenterName = SegmenterName.AUTO
    score: ScoreName = ScoreName.AUTO
    nms: float = Field(default=0.3, ge=0.0, le=1.0)
    crs: str | None = None
    min_score: float | None = Field(default=None, allow_inf_nan=False)

    @property
    def shortlist(self) -> int:
        """Hits to keep before refinement, which may bring up one from beyond ``top``."""
        return max(self.top, self.refined)

    @property
    def refined(self) -> int:
        return 0 if self.segmenter is SegmenterName.NONE else self.refine


def cache_folder(chosen: Path | None = None) -> Path:
    """``chosen``, else the environment variable MPSCLIP_CACHE, else the user's cache folder of this product."""
    if chosen is not None:
        return chosen.expanduser()
    variable = os.environ.get(CACHE_VARIABLE)
    return Path(variable).expanduser() if variable else Path(platformdirs.user_cache_dir("mpsclip", appauthor=False))
