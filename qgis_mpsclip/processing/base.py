"""What the algorithms have in common: one engine, errors in words, settings where a parameter is empty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from qgis.core import (
    QgsMapLayer,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputDefinition,
    QgsProcessingParameterDefinition,
)
from qgis.PyQt.QtGui import QIcon

from qgis_mpsclip.client.blocking import BlockingEngine
from qgis_mpsclip.documentation import help_address
from qgis_mpsclip.errors import EngineCancelled, MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.icons import icon
from qgis_mpsclip.keyword_service import keyword_params
from qgis_mpsclip.processing import parameters as p
from qgis_mpsclip.processing.folder import layers_in
from qgis_mpsclip.processing.interrupt import cancel_check
from qgis_mpsclip.processing.progress import ProgressReporter
from qgis_mpsclip.processing.rasters import RasterFile, raster_file, without_repeats
from qgis_mpsclip.settings import Settings


@contextmanager
def told() -> Iterator[None]:
    """Turns the plugin's errors into the one that Processing shows to the user."""
    try:
        yield
    except MpsClipError as error:
        raise QgsProcessingException(str(error)) from error


class EngineAlgorithm(QgsProcessingAlgorithm):
    """An algorithm that asks the engine. Subclasses give ``ICON`` and the usual methods."""

    ICON = "mpsclip"

    def createInstance(self) -> EngineAlgorithm:
        return type(self)()

    def define(
        self, parameters: Sequence[QgsProcessingParameterDefinition], outputs: Sequence[QgsProcessingOutputDefinition]
    ) -> None:
        """Adds parameters, in order, and outputs that are no parameters.

        Raises:
            ValueError: a name is used twice.
        """
        for parameter in parameters:
            if not self.addParameter(parameter):
                raise ValueError(parameter.name())
        for output in outputs:
            if not self.addOutput(output):
                raise ValueError(output.name())

    def helpUrl(self) -> str:
        return help_address("processing.md", f"mpsclip{self.name()}")

    def icon(self) -> QIcon:
        return icon(self.ICON)

    def checkParameterValues(self, parameters: dict[str, Any], context: QgsProcessingContext) -> tuple[bool, str]:
        names = {definition.name() for definition in self.parameterDefinitions()}
        try:
            for name in names & {p.INPUTS, p.MORE_INPUTS}:
                self.layers_of(parameters, name, context)  # QGIS would not say which one cannot be read
            accepted, message = super().checkParameterValues(parameters, context)
            problem = self.problem_with(parameters, context) if accepted else message
        except MpsClipError as error:
            problem = str(error)
        return not problem, problem or ""

    def problem_with(self, values: dict[str, Any], context: QgsProcessingContext) -> str | None:
        """What is wrong with parameters that QGIS finds acceptable, and what to do; None where nothing is.

        Raises:
            MpsClipError: the same, where a function says it so.
        """
        names = {definition.name() for definition in self.parameterDefinitions()}
        if p.TILE_SIZE not in names:
            return None
        return p.check_tile_size(self.parameterAsString(values, p.TILE_SIZE, context)) or p.check_bands(
            self.parameterAsString(values, p.BANDS, context)
        )

    def ask(self, method: str, params: dict[str, Any], feedback: QgsProcessingFeedback) -> dict[str, Any] | None:
        """The engine's answer; None after the user has cancelled.

        Raises:
            QgsProcessingException: the engine cannot be started, or refuses or fails the request.
        """
        reporter = ProgressReporter(feedback, len(params.get("rasters", ())), len(params.get("queries", ())))
        is_cancelled = cancel_check(feedback)
        try:
            with BlockingEngine() as engine:
                return engine.request(method, params, reporter.progress, reporter.partial, is_cancelled, reporter.log)
        except MpsClipError as error:
            # Ctrl-C ends the engine as well, maybe first.
            if not is_cancelled():
                raise QgsProcessingException(str(error)) from error
            feedback.pushInfo(str(error) if isinstance(error, EngineCancelled) else tr("Cancelled."))
            return None

    def given_rasters(self, values: dict[str, Any], context: QgsProcessingContext) -> list[RasterFile]:
        """The rasters of the parameter INPUTS; for ``prepareAlgorithm``, in the thread where the project's layers live.

        Raises:
            MpsClipError: one cannot be used.
        """
        return [raster_file(layer) for layer in self.layers_of(values, p.INPUTS, context)]

    def all_rasters(
        self,
        given: Sequence[RasterFile],
        values: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> list[RasterFile]:
        """``given`` and the rasters of the parameter FOLDER, each once; in any thread.

        Raises:
            MpsClipError: there is none, or one cannot be used.
        """
        rasters, is_cancelled = list(given), cancel_check(feedback)
        folder = self.parameterAsString(values, p.FOLDER, context)
        if folder:
            pattern = self.parameterAsString(values, p.PATTERN, context)
            recursive = self.parameterAsBoolean(values, p.RECURSIVE, context)
            found = layers_in(folder, pattern, recursive, feedback.pushWarning, is_cancelled)
            rasters += [raster_file(layer) for layer in found]
        if not rasters and not is_cancelled():
            raise _nothing_given()
        return without_repeats(rasters)

    def check_rasters(self, values: dict[str, Any], context: QgsProcessingContext) -> None:
        """Whether INPUTS can be used and something is given at all; a folder is looked into when the algorithm runs.

        Raises:
            MpsClipError: see :meth:`all_rasters`.
        """
        if not self.given_rasters(values, context) and not self.parameterAsString(values, p.FOLDER, context):
            raise _nothing_given()

    def layers_of(self, values: dict[str, Any], name: str, context: QgsProcessingContext) -> list[QgsMapLayer]:
        """The layers of a parameter for several.

        Raises:
            MpsClipError: one of them does not exist or cannot be read.
        """
        given = values.get(name)
        layers = self.parameterAsLayerList(values, name, context)
        if isinstance(given, (list, tuple)) and len(layers) < len(given):
            found = {name for layer in layers for name in (layer.source(), layer.id(), layer.name())}
            missing = [str(value) for value in given if value not in layers and value not in found]
            raise MpsClipError(
                tr("Not all rasters can be read: {names}.").format(names=", ".join(missing)),
                tr("Check their paths, and that the files are complete."),
            )
        return layers

    def index_options(self, values: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """The engine's options of indexing, without the area."""
        return {
            "tile": self.parameterAsString(values, p.TILE_SIZE, context).replace(" ", "") or None,
            "overlap": self.parameterAsDouble(values, p.OVERLAP, context),
            "bands": p.parse_bands(self.parameterAsString(values, p.BANDS, context)),
        }

    def search_options(self, values: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """The engine's options of searching, without the area and the CRS."""
        least = values.get(p.MIN_SCORE)
        return {
            **self.index_options(values, context),
            "top": self.parameterAsInt(values, p.TOP, context),
            "min_score": None if least in (None, "") else self.parameterAsDouble(values, p.MIN_SCORE, context),
            "refine": self.parameterAsInt(values, p.REFINE, context),
            "segmenter": self.parameterAsEnumString(values, p.SEGMENTER, context),
            "score": self.parameterAsEnumString(values, p.SCORE, context),
            "nms": self.parameterAsDouble(values, p.NMS, context),
        }

    def engine_choice(self, values: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Model and device of a request: the parameters, else the settings, else None."""
        settings = Settings()
        return {
            "model": self.parameterAsString(values, p.MODEL, context).strip() or settings.default_model or None,
            "device": self.parameterAsString(values, p.DEVICE, context).strip() or settings.device or None,
        }

    def keywords_choice(self, values: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Who finds the keywords; to be called in the thread that may ask for the authentication store's password."""
        extractor = self.parameterAsEnumString(values, p.KEYWORDS, context)
        if extractor == "local":
            return {"extractor": extractor}
        return keyword_params(Settings()) or {"extractor": extractor}


def _nothing_given() -> MpsClipError:
    return MpsClipError(tr("There is no raster."), tr("Choose layers, files, or a folder of them."))
