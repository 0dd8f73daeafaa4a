"""``mpsclip:searchimagery``: the best places of one or several rasters for a query."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingUtils,
    QgsRasterLayer,
)

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.processing import parameters as p
from qgis_mpsclip.processing.area import area_of, area_params
from qgis_mpsclip.processing.base import EngineAlgorithm, told
from qgis_mpsclip.processing.rasters import RasterFile, raster_file, result_crs, without_repeats
from qgis_mpsclip.processing.rendered import Rendering, plan_within_limit
from qgis_mpsclip.processing.sinks import GEOMETRY, HITS, SUBREGIONS, OutputLayer, ResultLayer, copy_features, discard
from qgis_mpsclip.processing.styles import stored_style, style_when_loaded
from qgis_mpsclip.read_as import read_as_texts
from qgis_mpsclip.rendering.area import crs_name
from qgis_mpsclip.rendering.plan import RenderPlan

HIT_COUNT = "HIT_COUNT"
SUBREGION_COUNT = "SUBREGION_COUNT"
TILES = "TILES"
ENCODED = "ENCODED"
FOUND_KEYWORDS = "FOUND_KEYWORDS"


class SearchImagery(EngineAlgorithm):
    """Hits and subregions as feature sinks."""

    ICON = "search"

    def __init__(self) -> None:
        super().__init__()
        self._rasters: list[RasterFile] = []
        self._renderings: list[Rendering] = []
        self._crs = QgsCoordinateReferenceSystem()
        self._keywords: dict[str, Any] = {}

    def name(self) -> str:
        return "searchimagery"

    def displayName(self) -> str:
        return tr("Search imagery")

    def tags(self) -> list[str]:
        return tr(
            "find,query,text,words,raster,orthophoto,satellite,aerial,CLIP,retrieval,similar,object,segment"
        ).split(",")

    def shortDescription(self) -> str:
        return tr("Finds the places of rasters that show what a query says.")

    def shortHelpString(self) -> str:
        return tr(
            "<p>Finds the places of rasters that show what you type, such as <i>tennis courts beside a parking lot</i>,"
            " ranked, with the matching objects outlined. All of it runs on this machine.</p>"
            "<p>A minus sign lowers the score of what follows: <i>meadow -trees</i>.</p>"
            "<p>A raster is cut into square tiles and encoded at the first search; later searches use the index of it"
            " that is kept (see <i>Build search index</i>).</p>"
            "<h3>Hits</h3><p>One polygon a tile: <i>rank</i>; <i>score</i> by which it is ranked; <i>score_global</i>"
            " of the whole tile and <i>score_regions</i> of its subregions (how like they are to the query);"
            " <i>percentile</i>: per cent of all searched tiles that score lower; <i>query</i>, <i>keywords</i>,"
            " <i>raster</i>, <i>tile_row</i>, <i>tile_col</i>, <i>model</i>.</p>"
            "<h3>Subregions</h3><p>One polygon an outlined object: <i>hit_rank</i> of its hit, <i>query</i>,"
            " <i>keyword</i>, <i>score</i> (0 to 1), <i>area_m2</i> on the ground.</p>"
        )

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        definitions = [
            p.helped(
                QgsProcessingParameterRasterLayer(p.INPUT, tr("Raster")),
                tr("Layer or file of any size. A web map or a layer of a database is rendered for the extent first."),
            ),
            p.helped(
                QgsProcessingParameterString(p.QUERY, tr("Query")),
                tr("What to look for, in English. Words after a minus sign lower the score."),
            ),
            *p.area(),
            *p.tiles(),
            *p.hits(),
            *p.rendering(),
            *p.engine(),
            p.advanced(
                QgsProcessingParameterMultipleLayers(
                    p.MORE_INPUTS, tr("More rasters"), Qgis.ProcessingSourceType.Raster, optional=True
                ),
                tr("Searched together with the first one; all hits are ranked in one list."),
            ),
            QgsProcessingParameterFeatureSink(p.HITS, tr("Hits"), Qgis.ProcessingSourceType.VectorPolygon),
            QgsProcessingParameterFeatureSink(
                p.SUBREGIONS, tr("Subregions"), Qgis.ProcessingSourceType.VectorPolygon, optional=True
            ),
        ]
        outputs = [
            QgsProcessingOutputNumber(HIT_COUNT, tr("Number of hits")),
            QgsProcessingOutputNumber(SUBREGION_COUNT, tr("Number of subregions")),
            QgsProcessingOutputNumber(TILES, tr("Tiles searched")),
            QgsProcessingOutputNumber(ENCODED, tr("Tiles encoded by this search")),
            QgsProcessingOutputString(FOUND_KEYWORDS, tr("Keywords of the query")),
        ]
        self.define(definitions, outputs)

    def problem_with(self, values: dict[str, Any], context: QgsProcessingContext) -> str | None:
        if not self.parameterAsString(values, p.QUERY, context).strip():
            return tr("The query is empty: say what to look for, for example “tennis courts”.")
        problem = super().problem_with(values, context)
        if problem is None:
            self._rasters_and_crs(values, context)
        return problem

    def prepareAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        with told():
            self._rasters, self._crs = self._rasters_and_crs(values, context)
            self._renderings = [Rendering(raster.plan) for raster in self._rasters if raster.plan is not None]
        self._keywords = self.keywords_choice(values, context)
        return True

    def processAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        with told():
            area = area_params(area_of(self, values, context, self._rasters[0].crs))
        # Made before the search, so that an output that cannot be written is told at once.
        outputs = [self._output(layer, values, context) for layer in (HITS, SUBREGIONS)]
        results: dict[str, Any] = {}
        try:
            results = self._search(values, context, feedback, area, outputs)
        finally:
            if not results:
                for output in outputs:
                    discard(output, context)
        return results

    def _search(
        self,
        values: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
        area: dict[str, Any] | None,
        outputs: list[OutputLayer],
    ) -> dict[str, Any]:
        """The algorithm's results; none after the user has cancelled."""
        with told():
            for rendering in self._renderings:
                rendering.run(context, feedback)
        if feedback.isCanceled():
            return {}
        geopackage = QgsProcessingUtils.generateTempFilename("mpsclip.gpkg")
        query = self.parameterAsString(values, p.QUERY, context).strip()
        request = {
            "query": query,
            "rasters": [raster.path for raster in self._rasters],
            "out": geopackage,
            "options": {
                **self.search_options(values, context),
                "area": area,
                "crs": self._engine_crs(values, context),
            },
            "keywords": self._keywords,
            **self.engine_choice(values, context),
        }
        report = self.ask("search", request, feedback)
        if report is None:
            return {}
        origins = {raster.path: raster.origin for raster in self._rasters}
        results: dict[str, Any] = {
            TILES: report["counts"]["tiles"],
            ENCODED: report["counts"]["encoded"],
            FOUND_KEYWORDS: ", ".join(report["keywords"]),
        }
        for output, count in zip(outputs, (HIT_COUNT, SUBREGION_COUNT)):
            results[count] = report["counts"]["hits" if output.layer is HITS else "subregions"]
            if output.sink is not None:
                copy_features(geopackage, output, origins, feedback)
                if feedback.isCanceled():
                    return {}
                style_when_loaded(context, output, stored_style(geopackage, output.layer.name), query)
                results[output.layer.parameter] = output.destination
        _tell(report, feedback)
        feedback.setProgress(100)
        return results

    def _output(self, layer: ResultLayer, values: dict[str, Any], context: QgsProcessingContext) -> OutputLayer:
        sink, destination = self.parameterAsSink(
            values, layer.parameter, context, layer.qgis_fields(), GEOMETRY, self._crs
        )
        if sink is None and (layer is HITS or values.get(layer.parameter)):
            raise QgsProcessingException(self.invalidSinkError(values, layer.parameter))
        return OutputLayer(layer, sink, destination, self.parameterDefinition(layer.parameter).description())

    def _rasters_and_crs(
        self, values: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[list[RasterFile], QgsCoordinateReferenceSystem]:
        layers = [self.parameterAsRasterLayer(values, p.INPUT, context)]
        layers += self.layers_of(values, p.MORE_INPUTS, context)

        def plan(layer: QgsRasterLayer) -> RenderPlan:
            given = values.get(p.RESOLUTION) not in (None, "")
            resolution = self.parameterAsDouble(values, p.RESOLUTION, context) if given else None
            return plan_within_limit(layer, area_of(self, values, context, layer.crs()), resolution)

        rasters = without_repeats([raster_file(layer, plan) for layer in layers])
        return rasters, result_crs(rasters, self.parameterAsCrs(values, p.TARGET_CRS, context))

    def _engine_crs(self, values: dict[str, Any], context: QgsProcessingContext) -> str | None:
        """None where the engine's own choice cannot differ from QGIS's."""
        chosen = self.parameterAsCrs(values, p.TARGET_CRS, context).isValid()
        return crs_name(self._crs) if chosen or len(self._rasters) > 1 else None


def _tell(report: dict[str, Any], feedback: QgsProcessingFeedback) -> None:
    counts, timings = report["counts"], report["timings"]
    feedback.pushInfo(tr("Keywords: {words}").format(words=", ".join(report["keywords"]) or "-"))
    if report["negatives"]:
        feedback.pushInfo(tr("Not wanted: {words}").format(words=", ".join(report["negatives"])))
    for words in read_as_texts(report):
        feedback.pushInfo(words)
    feedback.pushInfo(
        tr("{hits} hits in {tiles} tiles ({encoded} encoded now, {reused} from the index), {seconds} s").format(
            hits=counts["hits"],
            tiles=counts["tiles"],
            encoded=counts["encoded"],
            reused=counts["reused"],
            seconds=f"{timings['total']:.1f}",
        )
    )
