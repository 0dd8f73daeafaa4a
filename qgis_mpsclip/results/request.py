"""A search as the dock hands it to the results."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class SearchRequest:
    """A search that is about to run.

    Attributes:
        query: what is looked for.
        params: what is sent to the engine (docs/protocol.md, ``search``).
        layers: id of the raster layer that shows a raster, by the raster's path in ``params["rasters"]``.
        title: name on the map and in the list of earlier searches; empty: the query.
        rendered: of those rasters that QGIS has rendered, metres a pixel as they were asked for; None: automatic.
    """

    query: str
    params: dict[str, Any]
    layers: dict[str, str] = field(default_factory=dict)
    title: str = ""
    rendered: dict[str, float | None] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.title or self.query

    @property
    def out(self) -> Path | None:
        """The GeoPackage that the engine will write."""
        return Path(self.params["out"]) if self.params.get("out") else None
