"""``mpsclip:buildindex``: encode rasters ahead of searches."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputFolder,
    QgsProcessingOutputNumber,
)

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.processing import parameters as p
from qgis_mpsclip.processing.area import area_of, area_params
from qgis_mpsclip.processing.base import EngineAlgorithm, told
from qgis_mpsclip.processing.rasters import RasterFile

RASTER_COUNT = "RASTER_COUNT"
TILES = "TILES"
ENCODED = "ENCODED"
REUSED = "REUSED"
LEFT_OUT = "LEFT_OUT"
CACHE = "CACHE"


class BuildIndex(EngineAlgorithm):
    """Numbers of tiles, and the folder that holds the index."""

    ICON = "index"

    def __init__(self) -> None:
        super().__init__()
        self._given: list[RasterFile] = []

    def name(self) -> str:
        return "buildindex"

    def displayName(self) -> str:
        return tr("Build search index")

    def tags(self) -> list[str]:
        return tr("encode,embedding,prepare,cache,raster,orthophoto,satellite,aerial,CLIP").split(",")

    def shortDescription(self) -> str:
        return tr("Encodes rasters now, so that searches take moments later.")

    def shortHelpString(self) -> str:
        return tr(
            "<p>Encodes the tiles of rasters and keeps them, so that later searches with the same tile size, overlap,"
            " bands and model take moments. A search does this by itself where it is missing.</p>"
            "<p>What is there already is not encoded again, and work that was interrupted is taken up where it"
            " stopped. A raster that has changed is encoded anew.</p>"
        )

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        outputs = [
            QgsProcessingOutputNumber(RASTER_COUNT, tr("Number of rasters")),
            QgsProcessingOutputNumber(TILES, tr("Tiles")),
            QgsProcessingOutputNumber(ENCODED, tr("Tiles encoded now")),
            QgsProcessingOutputNumber(REUSED, tr("Tiles encoded before")),
            QgsProcessingOutputNumber(LEFT_OUT, tr("Tiles without enough data")),
            QgsProcessingOutputFolder(CACHE, tr("Folder of the index")),
        ]
        self.define([*p.rasters(), *p.area(), *p.tiles(), *p.engine()], outputs)

    def problem_with(self, values: dict[str, Any], context: QgsProcessingContext) -> str | None:
        self.check_rasters(values, context)
        return super().problem_with(values, context)

    def prepareAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        with told():
            self._given = self.given_rasters(values, context)
        return True

    def processAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        with told():
            rasters = self.all_rasters(self._given, values, context, feedback)
            if feedback.isCanceled():
                return {}
            area = area_params(area_of(self, values, context, rasters[0].crs))
        request = {
            "rasters": [raster.path for raster in rasters],
            "options": {**self.index_options(values, context), "area": area},
            **self.engine_choice(values, context),
        }
        answer = self.ask("index.build", request, feedback)
        if answer is None:
            return {}
        status = self.ask("status", {}, feedback)
        indexes = answer["indexes"]
        _tell(indexes, rasters, feedback)
        sums = {"TILES": "tiles", "ENCODED": "encoded", "REUSED": "reused", "LEFT_OUT": "left_out"}
        results: dict[str, Any] = {name: sum(index[key] for index in indexes) for name, key in sums.items()}
        results[RASTER_COUNT] = len(indexes)
        results[CACHE] = status["cache"] if status else ""
        feedback.setProgress(100)
        return results


def _tell(indexes: list[dict[str, Any]], rasters: list[RasterFile], feedback: QgsProcessingFeedback) -> None:
    names = {raster.path: raster.origin for raster in rasters}
    for index in indexes:
        feedback.pushInfo(
            tr(
                "{raster}: {tiles} tiles, {encoded} encoded now, {reused} before, {left_out} without enough data"
            ).format(**{**index, "raster": names.get(index["raster"], index["raster"])})
        )
