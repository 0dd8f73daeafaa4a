"""What this is, which versions run, whether the engine passes its own check, and a report to copy into an issue."""

from __future__ import annotations

from functools import partial
from typing import Any

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import Qt, pyqtSlot
from qgis.PyQt.QtGui import QFontDatabase, QShowEvent
from qgis.PyQt.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from qgis_mpsclip.client import EngineClient, PendingRequest
from qgis_mpsclip.diagnostics import report
from qgis_mpsclip.documentation import open_guide
from qgis_mpsclip.errors import EngineError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.background import Background
from qgis_mpsclip.install.doctor import run_doctor
from qgis_mpsclip.settings import Settings
from qgis_mpsclip.version import homepage, plugin_version


class AboutDialog(QDialog):
    """Asks the engine for its state whenever it is shown."""

    def __init__(self, settings: Settings, client: EngineClient, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._client = client
        self._pending: PendingRequest | None = None
        self._checking: Background | None = None
        self._status: dict[str, Any] | None = None
        self._problem = ""
        self._check = ""
        self.setObjectName("mpsclip_about")
        self.setWindowTitle(tr("About MPS-CLIP Search"))

        self.headline = QLabel()
        self.headline.setTextFormat(Qt.TextFormat.RichText)
        self.headline.setWordWrap(True)
        self.headline.setOpenExternalLinks(True)
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setAccessibleName(tr("Diagnostics"))
        self.copy = QPushButton(tr("&Copy Report"))
        self.copy.clicked.connect(self._copy)
        self.check = QPushButton(tr("&Run Check"))
        self.check.setToolTip(tr("Tries all that a search needs: packages, devices, the model, the index folder."))
        self.check.clicked.connect(self.run_check)

        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close | QDialogButtonBox.StandardButton.Help)
        for button in (self.check, self.copy):
            buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        buttons.helpRequested.connect(lambda: open_guide("troubleshooting"))
        column = QVBoxLayout(self)
        for widget in (self.headline, self.state, self.text, buttons):
            column.addWidget(widget)
        letter = self.fontMetrics().averageCharWidth()
        self.resize(80 * letter, 70 * letter)
        self._describe()

    def showEvent(self, event: QShowEvent) -> None:
        """Ask anew."""
        super().showEvent(event)
        if self._pending is None:
            self._ask()

    def _describe(self) -> None:
        link = f'<a href="{homepage()}">{homepage()}</a>'
        about = tr("Search your own imagery in plain words. Everything runs on your machine.")
        licence = tr("Free software under the GNU General Public License, version 2 or later.")
        self.headline.setText(f"<h3>MPS-CLIP Search {plugin_version()}</h3><p>{about}<br>{licence}<br>{link}</p>")

    def run_check(self) -> None:
        """Have the engine check itself, in a process of its own; the report has what it found."""
        if self._checking is not None:
            return
        self.check.setEnabled(False)
        self.state.setText(tr("Checking the search engine. This takes up to a minute…"))
        work = partial(run_doctor, self._settings)
        self._checking = Background(tr("Checking the search engine"), work)
        self._checking.done.connect(self._checked)
        self._checking.failed.connect(self._check_failed)
        self._checking.start()

    def done(self, result: int) -> None:
        """Whatever closes the window ends the check."""
        if self._checking is not None:
            self._checking.cancel()
            self._end_check()
        super().done(result)

    def _ask(self) -> None:
        self.state.setText(tr("Asking the search engine…"))
        self._status, self._problem = None, ""
        self._pending = self._client.request("status", {})
        self._pending.finished.connect(self._show_status)
        self._pending.failed.connect(self._show_error)
        self._pending.cancelled.connect(lambda: self._show_problem(tr("The search engine was ended.")))
        self._show_report()

    def _show_status(self, status: dict[str, Any]) -> None:
        self._pending = None
        self._status = status
        self._tell(tr("The search engine works."))

    def _show_error(self, error: EngineError) -> None:
        self._show_problem(f"{error.problem} {error.remedy}".strip())

    def _show_problem(self, problem: str) -> None:
        self._pending = None
        self._problem = problem
        self._tell(problem)

    @pyqtSlot(object)
    def _checked(self, page: str) -> None:
        self._check = page
        self._end_check()
        self._tell(tr("The engine was checked: the report has what was found."))

    @pyqtSlot(object)
    def _check_failed(self, error: Exception) -> None:
        self._check = ""
        self._end_check()
        self._tell(str(error))

    def _end_check(self) -> None:
        self._checking = None
        self.check.setEnabled(True)

    def _tell(self, text: str) -> None:
        if self._checking is None:
            self.state.setText(text)
        self._show_report()

    def _show_report(self) -> None:
        self.text.setPlainText(report(self._settings, self._status, self._problem, self._check))

    def _copy(self) -> None:
        QgsApplication.clipboard().setText(self.text.toPlainText())
        self.state.setText(tr("The report is on the clipboard. Read it before you paste it anywhere."))
