"""From chosen layers and files to rasters that the engine can open, and the options that go with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgis.core import QgsCoordinateReferenceSystem, QgsGeometry, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QLocale

from qgis_mpsclip.dock.form import SearchForm
from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.rendering.area import Area
from qgis_mpsclip.rendering.derived import derived_raster
from qgis_mpsclip.rendering.displayed import displayed
from qgis_mpsclip.rendering.plan import RenderPlan, plan_rendering
from qgis_mpsclip.rendering.sources import crs_differs, engine_source, source_path

LARGE = 25_000_000
"""Pixels to be rendered above which the user is asked first: 5 km by 5 km of 1 m."""


@dataclass
class RasterInput:
    """One raster of a search: ``path`` is known at once, or once ``plan`` is carried out.

    Attributes:
        rendered: whether it is QGIS's picture of a layer; ``resolution``: metres a pixel asked for, None: automatic.
    """

    path: str | None = None
    plan: RenderPlan | None = None
    layer_id: str | None = None
    rendered: bool = False
    resolution: float | None = None


def raster_inputs(form: SearchForm) -> tuple[list[RasterInput], dict[str, Any]]:
    """The rasters of a search in the form's order, and its options.

    Raises:
        MpsClipError: an extent beside a layer, bands that a rendered layer has not, a file that cannot be read.
    """
    options = dict(form.options)
    if form.area is not None:
        options["area"] = form.area.params()
    sources = {layer.id(): _source(layer, form) for layer in form.rasters.layers}
    displays = {layer.id(): displayed(layer) if form.as_displayed else None for layer in form.rasters.layers}
    if (
        form.as_displayed
        and not form.rasters.files
        and None not in sources.values()
        and len(set(displays.values())) == 1
    ):
        options.update(next(iter(displays.values())).params())
        displays = dict.fromkeys(displays)
    inputs = [RasterInput(path=source_path(name)) for name in form.rasters.files]
    for layer in form.rasters.layers:
        source, display = sources[layer.id()], displays[layer.id()]
        crs = layer.crs() if crs_differs(layer) else None
        if source is None:
            inputs.append(_to_render(layer, form.area, form.resolution))
        elif crs is not None or display is not None:  # one request has one set of bands, layers have each their own
            inputs.append(RasterInput(path=derived_raster(source, crs, display), layer_id=layer.id()))
        else:
            inputs.append(RasterInput(path=source, layer_id=layer.id()))
    rendered = [each for each in inputs if each.plan is not None]
    if rendered and options.get("bands"):
        raise MpsClipError(
            tr("“{name}” is rendered by QGIS and has no bands to choose.").format(name=rendered[0].plan.layer.name()),
            tr("Leave the bands empty, or search the layers one at a time."),
        )
    return inputs, options


def inputs_again(
    params: dict[str, Any], layers: dict[str, str], rendered: dict[str, float | None]
) -> list[RasterInput]:
    """The rasters of an earlier request. For one that is gone its layer stands in: with its file, or rendered anew.

    Args:
        layers: the ids of layers by raster.
        rendered: metres a pixel of those rasters that were pictures of layers; None: automatic.

    Raises:
        MpsClipError: a raster that is gone, and no layer of the project could give it again.
    """
    stored = params.get("options", {}).get("area")
    inputs = []
    for path in params.get("rasters", ()):
        layer = QgsProject.instance().mapLayer(layers.get(path, ""))
        resolution = rendered.get(path)
        if Path(path).exists() or path.startswith("/vsi") or not Path(path).is_absolute():
            inputs.append(
                RasterInput(path=path, layer_id=layers.get(path), rendered=path in rendered, resolution=resolution)
            )
            continue
        if not isinstance(layer, QgsRasterLayer) or not layer.isValid():
            raise MpsClipError(
                tr("{path} is no longer there.").format(path=path),
                tr("Add the raster to the project and search it from the dock."),
            )
        source = None if path in rendered else engine_source(layer)
        if source is not None:
            inputs.append(RasterInput(path=source, layer_id=layer.id()))
        else:
            inputs.append(_to_render(layer, _stored_area(stored, layer) if stored else None, resolution))
    return inputs


def check_size(inputs: list[RasterInput], limit: int) -> str:
    """A question to the user before much is rendered; empty: nothing to ask.

    Args:
        limit: pixels of all rendered layers together.

    Raises:
        MpsClipError: it would be more than ``limit``.
    """
    plans = [each.plan for each in inputs if each.plan is not None]
    pixels = sum(plan.pixels for plan in plans)
    if not plans or pixels <= min(limit, LARGE):
        return ""
    names = ", ".join(plan.layer.name() for plan in plans)
    locale = QLocale()
    millions = locale.toString(round(pixels / 1e6))
    if pixels > limit:
        raise MpsClipError(
            tr("Rendering “{names}” for this extent takes {millions} million pixels; the limit is {limit}.").format(
                names=names, millions=millions, limit=locale.toString(round(limit / 1e6))
            ),
            tr("Choose a smaller extent, such as the current view, or larger pixels (Advanced)."),
        )
    return tr(
        "“{names}” is rendered before it is searched: {millions} million pixels are asked of its source, which may take"
        " minutes. Mind the terms of the service. Render it?"
    ).format(names=names, millions=millions)


def _to_render(layer: QgsRasterLayer, area: Area | None, resolution: float | None) -> RasterInput:
    plan = plan_rendering(layer, area, resolution)
    return RasterInput(plan=plan, layer_id=layer.id(), rendered=True, resolution=resolution)


def _source(layer: QgsRasterLayer, form: SearchForm) -> str | None:
    """What the engine opens; None: the layer is rendered."""
    if layer.id() in form.render or (form.as_displayed and displayed(layer) is None):
        return None
    return engine_source(layer)


def _stored_area(stored: dict[str, Any], layer: QgsRasterLayer) -> Area:
    crs = QgsCoordinateReferenceSystem(str(stored["crs"])) if stored.get("crs") else layer.crs()
    return Area(QgsGeometry.fromWkt(str(stored["wkt"])), crs)
