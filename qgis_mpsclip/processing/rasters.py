"""Raster layers and files as the engine takes them, and the CRS in which their hits are handed over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qgis.core import QgsCoordinateReferenceSystem, QgsMapLayer, QgsRasterLayer

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.processing.rendered import picture_file
from qgis_mpsclip.rendering.derived import derived_raster
from qgis_mpsclip.rendering.plan import RenderPlan
from qgis_mpsclip.rendering.sources import crs_differs, engine_source

Planner = Callable[[QgsRasterLayer], RenderPlan]

_FALLBACK_CRS = "EPSG:4326"


@dataclass(frozen=True)
class RasterFile:
    """A raster that the engine can open.

    Attributes:
        path: for the engine.
        origin: the user's own file; another one than ``path`` where QGIS shows it in a CRS that it does not have.
        name: for messages.
        crs: in which its hits come; invalid where there is none.
        plan: of what QGIS has to render into ``path`` first; None: the file is there.
    """

    path: str
    origin: str
    name: str
    crs: QgsCoordinateReferenceSystem
    plan: RenderPlan | None = None


def raster_file(layer: QgsMapLayer, plan: Planner | None = None) -> RasterFile:
    """The file behind a layer.

    Args:
        plan: says how a layer that is no file is rendered; None: it cannot be.

    Raises:
        MpsClipError: it is no raster layer, or no file that another process can open.
    """
    if not isinstance(layer, QgsRasterLayer) or not layer.isValid():
        raise MpsClipError(
            tr("{name} is no raster that can be read.").format(name=layer.name()), tr("Choose a raster layer or file.")
        )
    origin = engine_source(layer)
    if origin is None or origin.startswith("/vsimem/"):
        if plan is not None:
            planned = plan(layer)
            return RasterFile(str(picture_file(planned)), layer.name(), layer.name(), layer.crs(), planned)
        raise MpsClipError(
            tr("{name} is not a file, so the search engine cannot open it.").format(name=layer.name()),
            tr(
                "Save the part to be searched as a GeoTIFF first (Export ▸ Save As), or search the layer from the"
                " MPS-CLIP panel or with the algorithm “Search imagery”, which render it themselves."
            ),
        )
    path = derived_raster(origin, layer.crs(), None) if crs_differs(layer) else origin
    crs = layer.crs() if layer.crs().isValid() else layer.dataProvider().crs()
    return RasterFile(path, origin, layer.name(), crs)


def without_repeats(rasters: Sequence[RasterFile]) -> list[RasterFile]:
    """Each raster once, in order."""
    return list({raster.path: raster for raster in rasters}.values())


def result_crs(rasters: Sequence[RasterFile], chosen: QgsCoordinateReferenceSystem) -> QgsCoordinateReferenceSystem:
    """``chosen`` where it is valid, else the rasters' common CRS, else EPSG:4326; invalid where no raster has one.

    Raises:
        MpsClipError: the rasters cannot be put on one map.
    """
    lacking = [raster for raster in rasters if not raster.crs.isValid()]
    if lacking and (chosen.isValid() or len(lacking) < len(rasters)):
        raise MpsClipError(
            tr("{name} has no CRS, so its hits cannot be put on a map with others.").format(name=lacking[0].name),
            tr("Set the layer's CRS, or search it alone and leave the CRS of the results empty."),
        )
    if chosen.isValid() or not rasters:
        return chosen
    first = rasters[0].crs
    same = all(raster.crs == first for raster in rasters)
    return first if same else QgsCoordinateReferenceSystem(_FALLBACK_CRS)
