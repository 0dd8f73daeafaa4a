"""``mpsclip:batchsearch``: many queries on many rasters, into one GeoPackage with a summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterString,
)

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.processing import parameters as p
from qgis_mpsclip.processing.area import area_of, area_params
from qgis_mpsclip.processing.base import EngineAlgorithm, told
from qgis_mpsclip.processing.queries import collect_queries
from qgis_mpsclip.processing.rasters import RasterFile, result_crs
from qgis_mpsclip.processing.replace import is_replaced
from qgis_mpsclip.read_as import read_as_texts
from qgis_mpsclip.rendering.area import crs_name

HIT_COUNT = "HIT_COUNT"
RASTER_COUNT = "RASTER_COUNT"
QUERY_COUNT = "QUERY_COUNT"
_SUFFIX = ".gpkg"
# Layers of the GeoPackage, the uppermost one last.
_LAYERS = ((p.SUMMARY, "summary"), (p.SUBREGIONS, "subregions"), (p.HITS, "hits"))


class BatchSearch(EngineAlgorithm):
    """One GeoPackage with the layers hits and subregions and the table summary."""

    ICON = "search"

    def __init__(self) -> None:
        super().__init__()
        self._given: list[RasterFile] = []
        self._keywords: dict[str, Any] = {}

    def name(self) -> str:
        return "batchsearch"

    def displayName(self) -> str:
        return tr("Batch search")

    def tags(self) -> list[str]:
        return tr("find,many,queries,list,csv,folder,rasters,orthophoto,satellite,aerial,CLIP,summary").split(",")

    def shortDescription(self) -> str:
        return tr("Answers a list of queries on many rasters and writes one GeoPackage.")

    def shortHelpString(self) -> str:
        return tr(
            "<p>Answers every query on all rasters together and writes one GeoPackage.</p>"
            "<p>Queries are typed in, one a line, or read from a file: text with one query a line, or CSV with a column"
            " <i>query</i>. Rasters are layers, files, or all in a folder.</p>"
            "<h3>Output</h3><p><i>hits</i> and <i>subregions</i> as in <i>Search imagery</i>, with the query in the"
            " field <i>query</i>; the table <i>summary</i> has a row for every raster and query with the number of hits"
            " and tiles, the best score and percentile, and the seconds it took. The styles are stored in the file.</p>"
        )

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        definitions = [
            *p.rasters(),
            p.helped(
                QgsProcessingParameterString(p.QUERIES, tr("Queries"), multiLine=True, optional=True),
                tr("What to look for, one query a line."),
            ),
            p.helped(
                QgsProcessingParameterFile(
                    p.QUERIES_FILE,
                    tr("File of queries"),
                    fileFilter=tr("Queries (*.txt *.csv);;All files (*.*)"),
                    optional=True,
                ),
                tr("Text with one query a line, or CSV with a column “query”; UTF-8."),
            ),
            *p.area(),
            *p.tiles(),
            *p.hits(),
            *p.engine(),
            p.advanced(
                QgsProcessingParameterBoolean(p.LOAD_LAYERS, tr("Open the layers after running"), True),
                tr("Whether the layers of the GeoPackage are added to the project."),
            ),
            QgsProcessingParameterFileDestination(p.OUTPUT, tr("Results"), tr("GeoPackage (*.gpkg)")),
        ]
        outputs = [
            QgsProcessingOutputVectorLayer(p.HITS, tr("Hits")),
            QgsProcessingOutputVectorLayer(p.SUBREGIONS, tr("Subregions")),
            QgsProcessingOutputVectorLayer(p.SUMMARY, tr("Summary")),
            QgsProcessingOutputNumber(HIT_COUNT, tr("Number of hits")),
            QgsProcessingOutputNumber(RASTER_COUNT, tr("Number of rasters")),
            QgsProcessingOutputNumber(QUERY_COUNT, tr("Number of queries")),
        ]
        self.define(definitions, outputs)

    def problem_with(self, values: dict[str, Any], context: QgsProcessingContext) -> str | None:
        output = self.parameterAsFileOutput(values, p.OUTPUT, context)
        if output and not output.lower().endswith(_SUFFIX):
            return tr("{file} does not end in {suffix}: choose another name.").format(file=output, suffix=_SUFFIX)
        if output:
            is_replaced(Path(output))
        self._queries(values, context)
        self.check_rasters(values, context)
        return super().problem_with(values, context)

    def prepareAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        with told():
            self._given = self.given_rasters(values, context)
        self._keywords = self.keywords_choice(values, context)
        return True

    def processAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        output = self.parameterAsFileOutput(values, p.OUTPUT, context)
        with told():
            overwrite = is_replaced(Path(output))
            queries = self._queries(values, context)
            rasters = self.all_rasters(self._given, values, context, feedback)
            if feedback.isCanceled():
                return {}
            crs = result_crs(rasters, self.parameterAsCrs(values, p.TARGET_CRS, context))
            area = area_params(area_of(self, values, context, rasters[0].crs))
        feedback.pushInfo(tr("{queries} queries, {rasters} rasters").format(queries=len(queries), rasters=len(rasters)))
        request = {
            "queries": queries,
            "rasters": [raster.path for raster in rasters],
            "out": output,
            "overwrite": overwrite,  # an earlier batch, of which QGIS has asked the user
            "options": {**self.search_options(values, context), "area": area, "crs": crs_name(crs)},
            "keywords": self._keywords,
            **self.engine_choice(values, context),
        }
        answer = self.ask("batch", request, feedback)
        if answer is None:
            return {}
        for report in answer["results"]:
            said = [tr("{hits} hits").format(hits=report["counts"]["hits"]), *read_as_texts(report)]
            feedback.pushInfo(f"{report['query']}: {'; '.join(said)}")
        if self.parameterAsBoolean(values, p.LOAD_LAYERS, context):
            _load(output, context)
        return {
            p.OUTPUT: output,
            **{name: f"{output}|layername={layer}" for name, layer in _LAYERS},
            HIT_COUNT: sum(report["counts"]["hits"] for report in answer["results"]),
            RASTER_COUNT: len(rasters),
            QUERY_COUNT: len(queries),
        }

    def _queries(self, values: dict[str, Any], context: QgsProcessingContext) -> list[str]:
        return collect_queries(
            self.parameterAsStrings(values, p.QUERIES, context), self.parameterAsString(values, p.QUERIES_FILE, context)
        )


def _load(output: str, context: QgsProcessingContext) -> None:
    """Has the layers opened; their styles are those stored in the file."""
    project = context.project()
    if project is None:
        return
    for above, (_, layer) in enumerate(_LAYERS):
        details = QgsProcessingContext.LayerDetails(layer, project, layer)
        details.layerSortKey = above
        context.addLayerToLoadOnCompletion(f"{output}|layername={layer}", details)
