"""The installation as a task of QGIS: seen and cancelled in the task manager too, and independent of any window."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.core import QgsTask
from qgis.PyQt.QtCore import pyqtSignal

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.job import InstallJob
from qgis_mpsclip.install.stage import InstallProgress

if TYPE_CHECKING:
    from qgis_mpsclip.install.connection import Connection
    from qgis_mpsclip.install.installed import InstalledEnvironment
    from qgis_mpsclip.install.plan import InstallOptions

_SECONDS = 0.2  # between two notifications of one step


class InstallTask(QgsTask):
    """Runs the job in a thread of the task manager.

    Without the flag CancelWithoutPrompt, so that QGIS asks before it ends in the midst of it.

    Args:
        connection: see :func:`qgis_mpsclip.install.connection.connect`.

    Attributes:
        installed: the environment, once there is one.
        report: what the engine's check of the environment found, as its JSON has it.
        error: why there is none, an InstallCancelled where it was cancelled.

    Signals:
        progressed(object): an InstallProgress.
        ended(): it is over; emitted once, in the main thread.
    """

    progressed = pyqtSignal(object)
    ended = pyqtSignal()

    def __init__(self, options: InstallOptions, log_file: Path | None, connection: Connection) -> None:
        super().__init__(tr("Installing the search engine of MPS-CLIP"), QgsTask.Flag.CanCancel)
        self.installed: InstalledEnvironment | None = None
        self.report: dict[str, Any] = {}
        self.error: InstallError | None = None
        self._options = options
        self._log_file = log_file
        self._connection = connection
        self._told = ("", 0.0)

    def run(self) -> bool:
        try:
            job = InstallJob(self._options, self._log_file, self._connection)
            self.installed = job.run(self._tell, self.isCanceled)
            self.report = job.report
        except InstallError as error:
            self.error = error
        except Exception as error:  # a mistake of ours: it must not be lost in the thread
            self._log(traceback.format_exc())
            self.error = InstallError(
                tr("The installation failed with an error that the plugin does not know: {error}.").format(
                    error=repr(error)
                ),
                tr("Try again; if it stays so, report it with the log."),
                kind="unknown",
                log_file=str(self._log_file or ""),
            )
        return self.installed is not None

    def finished(self, succeeded: bool) -> None:
        self.ended.emit()

    def _tell(self, progress: InstallProgress) -> None:
        step, when = self._told
        now = time.monotonic()
        if progress.step != step or now - when >= _SECONDS:
            self._told = (progress.step, now)
            self.setProgress(progress.percent)
            self.progressed.emit(progress)

    def _log(self, text: str) -> None:
        if self._log_file is None:
            return
        try:
            with self._log_file.open("a", encoding="utf-8") as stream:
                stream.write(text)
        except OSError:
            return  # the error is shown anyway
