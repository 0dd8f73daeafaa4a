"""``mpsclip:installengine``: what the button Install Engine does, for scripts and machines without a display."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from qgis.core import (
    Qgis,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputBoolean,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterString,
)

from qgis_mpsclip.client.blocking import renew_shared_engine
from qgis_mpsclip.client.interpreter import find_interpreter
from qgis_mpsclip.diagnostics import install_report
from qgis_mpsclip.durations import duration
from qgis_mpsclip.errors import EngineMissing, MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.connection import Connection, connect, connection_note
from qgis_mpsclip.install.doctor import findings_text, run_doctor
from qgis_mpsclip.install.errors import InstallCancelled, InstallError
from qgis_mpsclip.install.former import remember
from qgis_mpsclip.install.installed import InstalledEnvironment, current, is_outdated
from qgis_mpsclip.install.job import InstallJob
from qgis_mpsclip.install.locks import read_locks
from qgis_mpsclip.install.log import new_log_file
from qgis_mpsclip.install.news import news
from qgis_mpsclip.install.places import environments_folder
from qgis_mpsclip.install.plan import Choice, InstallOptions, choices, requirements_folder
from qgis_mpsclip.install.room import folder_named, free_bytes
from qgis_mpsclip.install.session import adopt
from qgis_mpsclip.install.stage import InstallProgress
from qgis_mpsclip.install.wording import needs_text, nothing_suits, stage_text
from qgis_mpsclip.processing import parameters as p
from qgis_mpsclip.processing.base import EngineAlgorithm, told
from qgis_mpsclip.processing.enginestatus import write_text
from qgis_mpsclip.processing.interrupt import cancel_check
from qgis_mpsclip.settings import Settings

CHOICE = "CHOICE"
INSTALL_FOLDER = "INSTALL_FOLDER"
WHEELS = "WHEELS"
BASE_PYTHON = "BASE_PYTHON"
PACKAGE_INDEX = "PACKAGE_INDEX"
TORCH_INDEX = "TORCH_INDEX"
REINSTALL = "REINSTALL"
OUTPUT_REPORT = "OUTPUT_REPORT"
PYTHON = "PYTHON"
FOLDER = "FOLDER"
READY = "READY"
MESSAGE = "MESSAGE"
AUTOMATIC = "auto"
_TEXT_SECONDS = 5.0  # dialogs keep every text in their log


class InstallEngine(EngineAlgorithm):
    """Installs, updates or installs again; where nothing is to be done, it does nothing."""

    ICON = "install"

    def name(self) -> str:
        return "installengine"

    def displayName(self) -> str:
        return tr("Install engine")

    def tags(self) -> list[str]:
        return tr("installation,setup,update,environment,PyTorch,uv,offline,wheels").split(",")

    def shortDescription(self) -> str:
        return tr("Installs the search engine, or updates it, into a folder of its own.")

    def shortHelpString(self) -> str:
        return tr(
            "<p>Makes an environment for the search engine from the packages that this plugin was tested with, and puts"
            " it to use once it has passed a check. QGIS's own Python is not touched. A gigabyte or more is downloaded,"
            " unless a folder of wheels is given.</p><p>Where the engine is installed and up to date, nothing is done."
            " What was downloaded before an interruption is not downloaded again. Where it fails, what was installed"
            " before is as it was.</p>"
        )

    def flags(self) -> Qgis.ProcessingAlgorithmFlags:
        return super().flags() | Qgis.ProcessingAlgorithmFlag.HideFromModeler

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        folder = Qgis.ProcessingFileParameterBehavior.Folder
        parameters = [
            p.helped(
                QgsProcessingParameterEnum(
                    CHOICE,
                    tr("What to install"),
                    options=_choice_ids(),
                    defaultValue=AUTOMATIC,
                    usesStaticStrings=True,
                ),
                tr("“auto”: what is installed already, else what suits this machine."),
            ),
            p.helped(
                QgsProcessingParameterFile(INSTALL_FOLDER, tr("Folder for the environment"), folder, optional=True),
                tr("By default that of the plugin's options. It is remembered once it holds an engine."),
            ),
            p.helped(
                QgsProcessingParameterFile(WHEELS, tr("Folder of wheels"), folder, optional=True),
                tr("Files of all packages, for a machine without internet: nothing is downloaded then."),
            ),
            p.helped(
                QgsProcessingParameterBoolean(REINSTALL, tr("Install again what is up to date"), defaultValue=False),
                tr("A new environment replaces the present one after it has passed the check."),
            ),
            p.advanced(
                QgsProcessingParameterFile(BASE_PYTHON, tr("Base Python"), optional=True),
                tr("From which the environment is made; by default one that the installer finds or downloads."),
            ),
            p.advanced(
                QgsProcessingParameterString(PACKAGE_INDEX, tr("Package index"), optional=True),
                tr("Address of a mirror. Packages must have the checksums of the plugin's lock."),
            ),
            p.advanced(
                QgsProcessingParameterString(TORCH_INDEX, tr("PyTorch index"), optional=True),
                tr("Address of a mirror for PyTorch alone, where its build has its own index."),
            ),
        ]
        report = QgsProcessingParameterFileDestination(
            OUTPUT_REPORT, tr("Report"), tr("Markdown files (*.md)"), optional=True, createByDefault=False
        )
        outputs = [
            QgsProcessingOutputString(PYTHON, tr("Python that runs the engine")),
            QgsProcessingOutputString(FOLDER, tr("Folder of the environment")),
            QgsProcessingOutputBoolean(READY, tr("Whether the engine is installed")),
            QgsProcessingOutputString(MESSAGE, tr("What was done")),
        ]
        self.define([*parameters, report], outputs)

    def prepareAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        """In the main thread, where QGIS may ask for the password of its authentication store.

        What stands against the installation is said by :meth:`processAlgorithm`, before it does anything: callers in
        Python get no text of what fails here.
        """
        self._options: InstallOptions | None = None
        self._installed: InstalledEnvironment | None = None
        self._connection, self._refusal = Connection(), ""
        try:
            self._options, present = self._chosen(values, context, Settings())
            again = self.parameterAsBoolean(values, REINSTALL, context)
            self._installed = present if not again and _is_up_to_date(present, self._options) else None
            if self._installed is None:
                self._connection = connect(self._options)
        except MpsClipError as error:
            self._refusal = str(error)
        return True

    def processAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        settings, options, installed = Settings(), self._options, self._installed
        report_file = self.parameterAsFileOutput(values, OUTPUT_REPORT, context)
        if self._refusal or options is None:
            raise _failure(self._refusal, options, report_file, None)
        if installed is not None:
            message = tr("The search engine is installed and up to date.")
            feedback.pushInfo(message)
        else:
            _tell_plan(options, feedback)
            remember(settings, options.folder)  # be it only for a beginning
            done = self._install(options, report_file, feedback)
            if done is None:
                return {}
            installed, message = done
        adopt(settings, options)
        news().environmentChanged.emit()
        renew_shared_engine()
        _warn_of_others(settings, installed, feedback)
        results = {PYTHON: str(installed.python), FOLDER: str(installed.folder), READY: True, MESSAGE: message}
        if report_file:
            with told():
                write_text(Path(report_file), run_doctor(settings, cancel_check(feedback)))
            results[OUTPUT_REPORT] = report_file
        return results

    def _chosen(
        self, values: dict[str, Any], context: QgsProcessingContext, settings: Settings
    ) -> tuple[InstallOptions, InstalledEnvironment | None]:
        """What to install, and what is there already."""
        given = self.parameterAsString(values, INSTALL_FOLDER, context).strip()
        folder = folder_named(given) if given else environments_folder(settings)
        present = current(folder)
        wheels = self.parameterAsString(values, WHEELS, context).strip() or settings.wheels_folder.strip()
        base = self.parameterAsString(values, BASE_PYTHON, context).strip()
        options = InstallOptions(
            choice=_choice(self.parameterAsEnumString(values, CHOICE, context), present),
            folder=folder,
            wheels=Path(wheels).expanduser() if wheels else None,
            base_python=Path(base).expanduser() if base else None,
            index_url=self.parameterAsString(values, PACKAGE_INDEX, context).strip() or settings.package_index.strip(),
            torch_index=self.parameterAsString(values, TORCH_INDEX, context).strip() or settings.torch_index.strip(),
        )
        return options, present

    def _install(
        self, options: InstallOptions, report_file: str, feedback: QgsProcessingFeedback
    ) -> tuple[InstalledEnvironment, str] | None:
        """The environment and what was done, in words; None after the user has cancelled.

        Raises:
            QgsProcessingException: it failed; the report is written all the same.
        """
        log, begun = new_log_file(), time.monotonic()
        try:
            job = InstallJob(options, log, self._connection)
            environment = job.run(_Reporter(feedback).progress, cancel_check(feedback))
        except InstallCancelled as error:
            if not feedback.isCanceled():
                raise QgsProcessingException(str(error)) from error
            feedback.pushInfo(str(error))
            return None
        except MpsClipError as error:
            raise _failure(str(error), options, report_file, log) from error
        for line in findings_text(job.report.get("findings", ())).splitlines():
            feedback.pushInfo(line)
        message = tr("The search engine was installed in {time}.").format(time=duration(time.monotonic() - begun))
        feedback.pushInfo(message)
        return environment, message


class _Reporter:
    """The job's progress as Processing shows it."""

    def __init__(self, feedback: QgsProcessingFeedback) -> None:
        self._feedback = feedback
        self._step = ""
        self._said = 0.0

    def progress(self, progress: InstallProgress) -> None:
        self._feedback.setProgress(progress.percent)
        now = time.monotonic()
        if progress.step != self._step or now - self._said >= _TEXT_SECONDS:
            self._step, self._said = progress.step, now
            self._feedback.setProgressText(stage_text(progress))


def _choice_ids() -> list[str]:
    """``auto``, and the locks that come with the plugin, whether this machine can use them or not."""
    try:
        return [AUTOMATIC, *(lock.id for lock in read_locks(requirements_folder()).locks)]
    except InstallError:  # said when the algorithm runs
        return [AUTOMATIC]


def _choice(name: str, present: InstalledEnvironment | None) -> Choice:
    """The choice of that name; of ``auto`` the one that is installed, else the one that suits this machine.

    Raises:
        InstallError: this machine cannot use it, or none.
    """
    offered = choices()
    known = {each.id: each for each in offered}
    if not offered:
        raise InstallError(nothing_suits())
    if name == AUTOMATIC:
        return known.get(present.choice_id if present is not None else "", offered[0])
    if name not in known:
        raise InstallError(
            tr("“{name}” cannot be installed on this machine.").format(name=name),
            tr("Choose one of: {names}.").format(names=", ".join([AUTOMATIC, *known])),
        )
    return known[name]


def _is_up_to_date(present: InstalledEnvironment | None, options: InstallOptions) -> bool:
    choice = options.choice
    return present is not None and present.choice_id == choice.id and not is_outdated(present, choice.lock.parent)


def _tell_plan(options: InstallOptions, feedback: QgsProcessingFeedback) -> None:
    choice = options.choice
    needs = needs_text(choice, free_bytes(options.folder), options.wheels is not None)
    feedback.pushInfo(f"{choice.id}: {choice.label}. {needs}.")
    feedback.pushInfo(tr("Folder: {folder}").format(folder=options.folder))
    note = connection_note() if options.wheels is None else ""
    if note:
        feedback.pushWarning(note)


def _failure(text: str, options: InstallOptions | None, report_file: str, log: Path | None) -> QgsProcessingException:
    """What Processing shows of an installation that failed; the report is written, where one is wanted."""
    if report_file:
        facts = [("Choice", options.choice.id)] if options is not None else []
        with contextlib.suppress(QgsProcessingException):  # why it failed matters more
            write_text(Path(report_file), install_report(Settings(), text, facts, log))
    return QgsProcessingException(_with_log(text, log))


def _warn_of_others(settings: Settings, environment: InstalledEnvironment, feedback: QgsProcessingFeedback) -> None:
    """Another Python may go before what was installed."""
    try:
        used = find_interpreter(settings)
    except EngineMissing as error:
        feedback.pushWarning(str(error))
        return
    if used.python != environment.python:
        feedback.pushWarning(
            tr(
                "Searches use {python}, which a setting, the variable MPSCLIP_PYTHON or a checkout puts before it."
            ).format(python=used.python)
        )


def _with_log(text: str, log: Path | None) -> str:
    return f"{text}\n{tr('The whole log: {file}').format(file=log)}" if log is not None else text
