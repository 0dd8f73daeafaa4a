"""``mpsclip:enginestatus``: what the engine is and can do, or why it cannot be used and what helps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qgis.core import (
    Qgis,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputBoolean,
    QgsProcessingOutputString,
    QgsProcessingParameterFileDestination,
)

from qgis_mpsclip.client.blocking import BlockingEngine
from qgis_mpsclip.client.interpreter import find_interpreter
from qgis_mpsclip.errors import EngineCancelled, MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.processing import parameters as p
from qgis_mpsclip.processing.base import EngineAlgorithm
from qgis_mpsclip.processing.interrupt import cancel_check
from qgis_mpsclip.processing.progress import ProgressReporter
from qgis_mpsclip.processing.statusreport import status_html
from qgis_mpsclip.version import plugin_version

READY = "READY"
MESSAGE = "MESSAGE"
ENGINE = "ENGINE"
DEFAULT_MODEL = "DEFAULT_MODEL"
DEFAULT_DEVICE = "DEFAULT_DEVICE"
CACHE = "CACHE"


class EngineStatus(EngineAlgorithm):
    """A report, as HTML and JSON; a missing engine is a result and no failure."""

    ICON = "settings"

    def name(self) -> str:
        return "enginestatus"

    def displayName(self) -> str:
        return tr("Engine status")

    def tags(self) -> list[str]:
        return tr("diagnostics,version,device,GPU,CUDA,models,install,check").split(",")

    def shortDescription(self) -> str:
        return tr("Reports whether the search engine works, and what it can do.")

    def shortHelpString(self) -> str:
        return tr(
            "<p>Starts the search engine and reports its version, packages, devices, segmenters and index folder. Where"
            " it cannot be used, the report says why and what to do; the algorithm itself does not fail then, and its"
            " output READY is false.</p>"
        )

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        parameters = [
            QgsProcessingParameterFileDestination(
                p.OUTPUT_HTML, tr("Report"), tr("HTML files (*.html)"), optional=True
            ),
            QgsProcessingParameterFileDestination(
                p.OUTPUT_JSON,
                tr("Report for programs"),
                tr("JSON (*.json)"),
                optional=True,
                createByDefault=False,
            ),
        ]
        outputs = [
            QgsProcessingOutputBoolean(READY, tr("Whether the engine works")),
            QgsProcessingOutputString(MESSAGE, tr("What is wrong, and what to do")),
            QgsProcessingOutputString(ENGINE, tr("Version of the engine")),
            QgsProcessingOutputString(DEFAULT_MODEL, tr("Default model")),
            QgsProcessingOutputString(DEFAULT_DEVICE, tr("Default device")),
            QgsProcessingOutputString(CACHE, tr("Folder of the index")),
        ]
        self.define(parameters, outputs)

    def processAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        report: dict[str, Any] = {
            "ready": False,
            "message": "",
            "plugin": plugin_version(),
            "qgis": Qgis.version(),
            "python": "",
            "engine": {},
        }
        is_cancelled = cancel_check(feedback)
        try:
            report["python"] = str(find_interpreter().python)
            with BlockingEngine() as engine:
                report["engine"] = engine.request(
                    "status", {}, is_cancelled=is_cancelled, on_log=ProgressReporter(feedback).log
                )
            report["ready"] = True
            feedback.pushInfo(tr("The search engine works."))
        except MpsClipError as error:
            if is_cancelled():
                return {}
            if isinstance(error, EngineCancelled):
                raise QgsProcessingException(str(error)) from error
            report["message"] = str(error)
            feedback.pushWarning(str(error))
        engine_facts = report["engine"]
        results = {
            READY: report["ready"],
            MESSAGE: report["message"],
            ENGINE: str(engine_facts.get("engine", "")),
            DEFAULT_MODEL: str(engine_facts.get("default_model", "")),
            DEFAULT_DEVICE: str(engine_facts.get("device", "")),
            CACHE: str(engine_facts.get("cache", "")),
        }
        texts = {p.OUTPUT_HTML: status_html(report), p.OUTPUT_JSON: json.dumps(report, indent=2, ensure_ascii=False)}
        for name, text in texts.items():
            file = self.parameterAsFileOutput(values, name, context)
            if file:
                write_text(Path(file), text)
                results[name] = file
        return results


def write_text(file: Path, text: str) -> None:
    """Write a report.

    Raises:
        QgsProcessingException: it cannot be written.
    """
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise QgsProcessingException(
            tr("{file} cannot be written: {reason}.").format(file=file, reason=error.strerror or error)
            + " "
            + tr("Choose another place.")
        ) from error
