"""What the embeddings of an index depend on, and the key under which they are kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from engine.config import IndexOptions
from engine.raster.bands import choose_bands
from engine.raster.grid import Grid, make_grid, parse_tile_size
from engine.raster.source import RasterSource
from engine.raster.stretch import Stretch, given_stretch
from engine.types import Json

if TYPE_CHECKING:  # indexes are listed without loading PyTorch
    from engine.models.contract import ModelIdentity, RetrievalModel

FORMAT = 1
"""Version of the table and of what is computed for it; a new one makes all older indexes stale."""

STRETCH_METHOD = "percentiles 2-98"


@dataclass(frozen=True)
class IndexSpec:
    """Raster, grid, bands and model of an index.

    Unless it is given, the stretch is a function of raster and bands: the key names its method, and the values are kept
    as found when the index was made.

    Attributes:
        raster: path or URI.
        raster_key: :attr:`engine.raster.identity.RasterIdentity.key`.
        grid: the tiles; numbered row by row from 0.
        min_valid: tiles with a lesser share of valid pixels have no embedding.
        bands: numbers of red, green and blue, from 1.
        stretch: as given; None: percentiles.
        model: identity of the model.
        embed_dim: width of an embedding.
    """

    raster: str
    raster_key: str
    grid: Grid
    min_valid: float
    bands: tuple[int, ...]
    stretch: Stretch | None
    model: ModelIdentity
    embed_dim: int

    @classmethod
    def of(cls, source: RasterSource, model: RetrievalModel, options: IndexOptions) -> IndexSpec:
        """The spec of an open raster.

        Raises:
            UsageError: tile size, overlap or stretch cannot be used on it.
            BandError: a band that it has not.
        """
        return cls(
            raster=source.path,
            raster_key=source.identity().key,
            grid=make_grid(source, parse_tile_size(options.tile), options.overlap),
            min_valid=options.min_valid,
            bands=choose_bands(source.dataset, options.bands).indexes,
            stretch=None if options.stretch is None else given_stretch(source, options.bands, options.stretch),
            model=model.identity,
            embed_dim=model.embed_dim,
        )

    @cached_property
    def key(self) -> str:
        """sha256 over all that the embeddings depend on, hexadecimal."""
        parts = {
            "format": FORMAT,
            "raster": self.raster_key,
            "grid": [self.grid.width, self.grid.height, self.grid.side, self.grid.overlap],
            "min_valid": self.min_valid,
            "bands": list(self.bands),
            "stretch": STRETCH_METHOD if self.stretch is None else self.stretch.to_json(),
            "model": self.model.key,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class IndexRecord:
    """What is written beside the embeddings: enough to list the index, to tell whether it is stale and to read on."""

    key: str
    raster: str
    raster_key: str
    tiles: int
    side: int
    overlap: float
    bands: tuple[int, ...]
    model: str
    stretch: Stretch
    embed_dim: int
    created: str

    @classmethod
    def of(cls, spec: IndexSpec, stretch: Stretch, created: str) -> IndexRecord:
        return cls(
            key=spec.key,
            raster=spec.raster,
            raster_key=spec.raster_key,
            tiles=len(spec.grid),
            side=spec.grid.side,
            overlap=spec.grid.overlap,
            bands=spec.bands,
            model=spec.model.model_id,
            stretch=stretch,
            embed_dim=spec.embed_dim,
            created=created,
        )

    def to_json(self) -> Json:
        """JSON-ready fields; :meth:`from_json` reads them back."""
        return {
            "format": FORMAT,
            "key": self.key,
            "raster": self.raster,
            "raster_key": self.raster_key,
            "tiles": self.tiles,
            "side": self.side,
            "overlap": self.overlap,
            "bands": list(self.bands),
            "model": self.model,
            "stretch": self.stretch.to_json(),
            "embed_dim": self.embed_dim,
            "created": self.created,
        }

    @classmethod
    def from_json(cls, fields: Json) -> IndexRecord:
        """Raises KeyError, TypeError or ValueError for a record that is damaged or of another format."""
        if fields["format"] != FORMAT:
            raise ValueError(f"index format {fields['format']!r}, not {FORMAT}")
        return cls(
            key=str(fields["key"]),
            raster=str(fields["raster"]),
            raster_key=str(fields["raster_key"]),
            tiles=int(fields["tiles"]),
            side=int(fields["side"]),
            overlap=float(fields["overlap"]),
            bands=tuple(int(band) for band in fields["bands"]),
            model=str(fields["model"]),
            stretch=Stretch.from_json(fields["stretch"]),
            embed_dim=int(fields["embed_dim"]),
            created=str(fields["created"]),
        )
