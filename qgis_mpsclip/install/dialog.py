"""The dialog that installs the engine: what will be done, how far it is, how it ended."""

from __future__ import annotations

from collections.abc import Callable

from qgis.core import QgsApplication
from qgis.PyQt import sip
from qgis.PyQt.QtCore import Qt, QUrl
from qgis.PyQt.QtGui import QDesktopServices, QShowEvent
from qgis.PyQt.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFrame,
    QLabel,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from qgis_mpsclip.documentation import open_guide
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install import wording
from qgis_mpsclip.install.choice_page import ChoicePage
from qgis_mpsclip.install.existing_page import ExistingPage
from qgis_mpsclip.install.outcome_page import OutcomePage
from qgis_mpsclip.install.progress_page import ProgressPage
from qgis_mpsclip.install.report import session_report
from qgis_mpsclip.install.session import DIALOG_NAME, Installation
from qgis_mpsclip.settings import Settings

_WIDTH, _HEIGHT = 80, 36  # letters, lines
_open: list[InstallDialog] = []


class InstallDialog(QDialog):
    """One view of the session: closing it stops nothing, and another one shows the same."""

    def __init__(self, settings: Settings, installation: Installation, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._installation = installation
        self.setObjectName(DIALOG_NAME)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.heading = QLabel()
        self.heading.setObjectName("heading")
        font = self.heading.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.2)
        self.heading.setFont(font)
        self.choice = ChoicePage(settings, installation)
        self.existing = ExistingPage(installation)
        self.progress = ProgressPage(installation)
        self.outcome = OutcomePage(installation)
        self.pages = QStackedWidget()
        for page in (self.choice, self.existing, self.progress, self.outcome):
            self.pages.addWidget(_scrolled(page))
        self._make_buttons()
        column = QVBoxLayout(self)
        for part in (self.heading, self.pages, self.buttons):
            column.addWidget(part)
        self.resize(_WIDTH * self.fontMetrics().averageCharWidth(), _HEIGHT * self.fontMetrics().height())

        self.choice.changed.connect(self._enable)
        self.choice.existingWanted.connect(lambda: self.show_page(self.existing))
        self.existing.changed.connect(self._enable)
        installation.changed.connect(self._follow)
        installation.progressed.connect(self.progress.refresh)
        self._follow()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.choice.look()

    def done(self, result: int) -> None:
        """Whatever closes the window: what has succeeded need not be told again."""
        if self._installation.installed is not None:
            self._installation.forget_outcome()
        super().done(result)

    def page(self) -> QWidget:
        """The page that is shown."""
        return self.pages.currentWidget().widget()

    def show_page(self, page: QWidget) -> None:
        self.pages.setCurrentIndex((self.choice, self.existing, self.progress, self.outcome).index(page))
        self._enable()

    def start(self) -> None:
        """Install what the fields say; the same again after a failure."""
        options = self.choice.options()
        if options is not None:
            self._installation.start(options)

    # ---- buttons

    def _make_buttons(self) -> None:
        standard = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(standard.Close | standard.Help)
        self.buttons.rejected.connect(self.close)
        self.buttons.helpRequested.connect(lambda: open_guide("install"))
        self.install = self._button("install", tr("&Install"), self.start)
        self.use = self._button("use", tr("&Use This Python"), self._use_existing)
        self.cancel = self._button("cancel", tr("&Cancel Installation"), self._cancel)
        self.retry = self._button("retry", tr("&Try Again"), self._installation_again)
        self.back = self._button("back", tr("&Back"), self._go_back)
        self.copy = self._button("copy", tr("C&opy Report"), self._copy)
        self.open_log = self._button("open_log", tr("Open &Log"), self._open_log)

    def _button(self, name: str, text: str, do: Callable[[], object]) -> QPushButton:
        button = self.buttons.addButton(text, QDialogButtonBox.ButtonRole.ActionRole)
        button.setObjectName(name)
        button.setAutoDefault(True)
        button.clicked.connect(lambda checked=False: do())
        return button

    def _enable(self) -> None:
        page, session = self.page(), self._installation
        over = page is self.outcome
        failed = over and session.error is not None
        shown = {
            self.install: page is self.choice,
            self.use: page is self.existing,
            self.cancel: page is self.progress,
            self.retry: failed,
            self.back: failed or page is self.existing,
            self.copy: over and not session.was_cancelled,
            self.open_log: over and session.log_file is not None,
        }
        for button, visible in shown.items():
            button.setVisible(visible)
        self.install.setEnabled(self.choice.choice() is not None and not self.choice.problem())
        self.use.setEnabled(self.existing.good() is not None)
        default = next((each for each in (self.install, self.use, self.retry) if shown[each]), None)
        if default is not None:
            default.setDefault(True)
        else:
            self.buttons.button(QDialogButtonBox.StandardButton.Close).setDefault(True)
        self._set_titles()

    def _set_titles(self) -> None:
        session, state = self._installation, self._installation.state()
        title = {
            self.choice: wording.title(state),
            self.existing: tr("Use an Existing Python"),
            self.progress: tr("Installing the Search Engine"),
            self.outcome: wording.outcome_title(session.installed is not None, session.was_cancelled),
        }[self.page()]
        self.heading.setText(title)
        self.setWindowTitle(tr("MPS-CLIP Search: {title}").format(title=title))
        self.install.setText(tr("&Update") if state.is_outdated else tr("&Install"))
        self.retry.setText(tr("&Go On") if session.was_cancelled else tr("&Try Again"))

    # ---- following the session

    def _follow(self) -> None:
        session = self._installation
        self.choice.tell_state(session.state())
        if session.is_running:
            self.progress.show_cancelling(False)
            self.cancel.setEnabled(True)
            self.show_page(self.progress)
        elif session.installed is not None or session.error is not None:
            self.copy.setText(tr("C&opy Report"))
            self.outcome.show_outcome()
            self.show_page(self.outcome)
        elif self.page() is not self.existing:
            self.show_page(self.choice)
        self._enable()

    def _cancel(self) -> None:
        self.cancel.setEnabled(False)
        self.progress.show_cancelling(True)
        self._installation.cancel()

    def _installation_again(self) -> None:
        if self._installation.options is not None:
            self._installation.start(self._installation.options)

    def _go_back(self) -> None:
        self._installation.forget_outcome()
        self.show_page(self.choice)

    def _use_existing(self) -> None:
        python = self.existing.good()
        if python is not None:
            self._installation.use(python)
            self.close()

    def _copy(self) -> None:
        QgsApplication.clipboard().setText(session_report(self._settings, self._installation))
        self.copy.setText(tr("C&opied"))

    def _open_log(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._installation.log_file)))


def open_dialog(settings: Settings, installation: Installation, main: QWidget) -> InstallDialog:
    """Show the dialog, the one that is open if there is one; above a modal dialog, which lets only its own be used."""
    parent = QApplication.activeModalWidget() or main
    dialog = parent if isinstance(parent, InstallDialog) else parent.findChild(QDialog, DIALOG_NAME)
    if dialog is None or not dialog.isVisible():  # what was closed is deleted a little later
        dialog = InstallDialog(settings, installation, parent)
        # Without a reference of ours, Python would forget it when it forgets the parent, which is QGIS's own.
        _open[:] = [each for each in _open if not sip.isdeleted(each)] + [dialog]
    dialog.show()
    dialog.raise_()
    dialog.activateWindow()
    return dialog


def close_dialogs() -> None:
    """Close all of them, before the plugin goes."""
    for dialog in _open:
        if not sip.isdeleted(dialog):
            dialog.close()
    _open.clear()


def _scrolled(page: QWidget) -> QScrollArea:
    """Room for a page on small screens and with large letters."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(page)
    return area
