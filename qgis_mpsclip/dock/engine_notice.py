"""What the dock says of the engine: that it is to be installed or updated, or how far that is."""

from __future__ import annotations

from qgis.core import Qgis
from qgis.gui import QgisInterface
from qgis.PyQt.QtCore import QObject, pyqtSignal, pyqtSlot
from qgis.PyQt.QtWidgets import QApplication

from qgis_mpsclip.dock.notice import Notice
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.course import step_title
from qgis_mpsclip.install.session import DIALOG_NAME, Installation
from qgis_mpsclip.install.state import EngineState
from qgis_mpsclip.message_text import bar_html
from qgis_mpsclip.options_page import PAGE

TITLE = "MPS-CLIP"


class EngineNotice(QObject):
    """Looks at what is installed when it is asked to, which takes milliseconds and starts no engine.

    Signals:
        changed(): :meth:`notice` gives another one.
    """

    changed = pyqtSignal()

    def __init__(self, iface: QgisInterface, installation: Installation, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._iface = iface
        self._installation = installation
        self._state: EngineState | None = None
        self._put_off = False
        self._was_running = False
        self._text = ""
        installation.changed.connect(self.look)
        installation.progressed.connect(self._progressed)

    @pyqtSlot()
    def look(self) -> None:
        """Look again: something may have been installed, also by another QGIS."""
        self._state = self._installation.state()
        if self._was_running and not self._installation.is_running:
            self._tell_end()
        self._was_running = self._installation.is_running
        self._tell()

    def is_missing(self) -> bool:
        """Whether there was no engine when it was last looked for."""
        return self._state is not None and self._state.interpreter is None

    def notice(self) -> Notice | None:
        """None: there is an engine, and nothing to be said of it."""
        installation, state = self._installation, self._state
        if installation.is_running:
            return Notice(self._running_text(), tr("Show the Installation…"), self._install)
        if state is None:
            return None
        if state.interpreter is None:
            return self._missing(state)
        if state.wants_update and not self._put_off:
            return Notice(
                tr(
                    "This version of the plugin wants newer packages for the search engine. Until they are installed,"
                    " the present ones go on working."
                ),
                tr("Update Engine…"),
                self._install,
                tr("Not Now"),
                self._put_it_off,
            )
        return None

    def _missing(self, state: EngineState) -> Notice:
        if self._installation.error is not None and not self._installation.was_cancelled:
            text = tr("The search engine could not be installed. {problem}").format(
                problem=self._installation.error.problem
            )
            return Notice(text, tr("Show What Helps…"), self._install, tr("Choose Another Python…"), self.open_options)
        if state.missing is not None and state.is_chosen:
            text = str(state.missing)
        else:
            text = tr(
                "To search, the search engine is needed: a set of Python packages that is installed once, into a folder"
                " of its own."
            )
        return Notice(text, tr("Install Engine…"), self._install, tr("Choose Another Python…"), self.open_options)

    def _running_text(self) -> str:
        course = self._installation.course
        if course is None or course.latest is None:
            return tr("The search engine is being installed…")
        return tr("The search engine is being installed: {step}, {percent}\u00a0%.").format(
            step=step_title(course.latest.step), percent=round(course.percent())
        )

    @pyqtSlot()
    def _progressed(self) -> None:
        self._tell()

    def _tell(self) -> None:
        notice = self.notice()
        text = notice.text if notice is not None else ""
        if text != self._text:
            self._text = text
            self.changed.emit()

    def _tell_end(self) -> None:
        """In the message bar, for a user who has closed the dialog."""
        session, bar = self._installation, self._iface.messageBar()
        if any(window.objectName() == DIALOG_NAME and window.isVisible() for window in QApplication.topLevelWidgets()):
            return
        if session.installed is not None:
            bar.pushMessage(TITLE, tr("The search engine is installed."), Qgis.MessageLevel.Success, 8)
        elif session.error is not None and not session.was_cancelled:
            text = tr("The search engine could not be installed. {problem}").format(problem=session.error.problem)
            bar.pushMessage(TITLE, bar_html(text), Qgis.MessageLevel.Warning, 0)

    def _put_it_off(self) -> None:
        self._put_off = True
        self._tell()

    def _install(self) -> None:
        self._installation.requested.emit()

    def open_options(self) -> None:
        """The plugin's page of QGIS's options."""
        self._iface.showOptionsDialog(self._iface.mainWindow(), PAGE)
