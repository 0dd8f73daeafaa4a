"""What the dock's fields amount to when a search begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from qgis_mpsclip.dock.raster_picker import RasterSelection
from qgis_mpsclip.rendering.area import Area


@dataclass(frozen=True)
class SearchForm:
    """One search as the user asked for it.

    Attributes:
        query: not empty.
        rasters: at least one layer or file.
        area: where to search; None: everywhere.
        options: of the request, without ``area`` and without what ``as_displayed`` adds.
        as_displayed: take bands and contrast from the layers.
        resolution: metres a pixel of rendered layers; None: automatic.
        model, device: None: the engine's own choice.
        render: ids of layers that are rendered, though they are files.
    """

    query: str
    rasters: RasterSelection
    area: Area | None = None
    options: dict[str, Any] = field(default_factory=dict)
    as_displayed: bool = False
    resolution: float | None = None
    model: str | None = None
    device: str | None = None
    render: frozenset[str] = frozenset()
