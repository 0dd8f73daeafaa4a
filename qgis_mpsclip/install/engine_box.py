"""The options page's section on what is installed: where it is and how large, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable

from qgis.PyQt.QtCore import QDateTime, QLocale, Qt, pyqtSlot
from qgis.PyQt.QtGui import QShowEvent
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.background import Background
from qgis_mpsclip.install.former_row import FormerRow
from qgis_mpsclip.install.installed import InstalledEnvironment
from qgis_mpsclip.install.places import environments_folder
from qgis_mpsclip.install.session import Installation
from qgis_mpsclip.install.tree import tree_bytes
from qgis_mpsclip.settings import Settings
from qgis_mpsclip.sizes import size_text


class EngineBox(QGroupBox):
    """Looks when it is shown, and whenever something is installed or removed.

    Args:
        check: opens the window that checks the engine.
    """

    def __init__(
        self,
        settings: Settings,
        installation: Installation,
        check: Callable[[], object],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(tr("Installed engine"), parent)
        self.setObjectName("installed_engine")
        self._settings = settings
        self._installation = installation
        self._measured: tuple[InstalledEnvironment, int] | None = None
        self._measuring: Background | None = None
        self._removing = False
        self.state = QLabel()
        self.state.setObjectName("engine_installed")
        self.state.setWordWrap(True)
        self.state.setTextFormat(Qt.TextFormat.PlainText)
        self.state.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.install = _button("install_engine", tr("Install…"), installation.requested.emit)
        self.check = _button("check_engine", tr("Run &Check…"), check)
        self.remove = _button("uninstall_engine", tr("&Uninstall…"), self._uninstall)
        row = QHBoxLayout()
        for button in (self.install, self.check, self.remove):
            row.addWidget(button)
        row.addStretch()
        column = QVBoxLayout(self)
        column.addWidget(self.state)
        column.addLayout(row)
        self.former = FormerRow(installation)
        column.addWidget(self.former)
        installation.changed.connect(self.look)
        installation.progressed.connect(self._tell)
        installation.uninstalled.connect(self._uninstalled)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.look()

    @pyqtSlot()
    def look(self) -> None:
        """See what is installed, and begin to measure it, which takes a second or two."""
        environment = self._installation.state().environment
        known = self._measured is not None and self._measured[0] == environment
        if environment is not None and not known and self._measuring is None and self.isVisible():
            work = Background(
                tr("Measuring the search engine"), lambda is_cancelled: (environment, tree_bytes(environment.folder))
            )
            work.done.connect(self._has_measured)
            work.failed.connect(self._has_not_measured)
            self._measuring = work.start()
        self._tell()

    @pyqtSlot()
    def _tell(self) -> None:
        session, state = self._installation, self._installation.state()
        environment = state.environment
        lines = []
        if session.is_running:
            percent = round(session.course.percent())
            lines.append(tr("An installation runs: {percent} %.").format(percent=percent))
        if environment is None:
            lines.append(tr("The plugin has not installed an engine."))
        else:
            lines += self._facts(environment)
            if state.is_outdated:
                lines.append(tr("This version of the plugin wants newer packages: update it."))
            if not state.is_used:
                lines.append(tr("It is not in use: another Python goes before it."))
        if self._removing:
            lines = [tr("Removing the search engine…")]
        self.state.setText("\n".join(lines))
        self.install.setText(
            tr("Show Installation…")
            if session.is_running
            else tr("Install…")
            if environment is None
            else tr("Update…")
            if state.is_outdated
            else tr("Install Again…")
        )
        self.install.setEnabled(not self._removing)
        self.check.setEnabled(state.interpreter is not None and not self._removing)
        self.remove.setEnabled(session.can_uninstall and not self._removing)

    def _facts(self, environment: InstalledEnvironment) -> list[str]:
        known = self._measured is not None and self._measured[0] == environment
        size = size_text(self._measured[1]) if known and self._measured is not None else "…"
        made = QDateTime.fromString(environment.created, Qt.DateFormat.ISODate)
        date = QLocale().toString(made.toLocalTime(), QLocale.FormatType.ShortFormat) if made.isValid() else "?"
        runs_on = {
            "cuda": tr("NVIDIA GPU or CPU"),
            "mps": tr("Apple GPU or CPU"),
            "cpu": tr("CPU"),
        }.get(environment.accelerator, environment.accelerator)
        return [
            tr("{device}, {size}, installed {date} by version {version} of the plugin").format(
                device=runs_on, size=size, date=date, version=environment.plugin_version
            ),
            str(environment.folder),
        ]

    @pyqtSlot(object)
    def _has_measured(self, measured: tuple[InstalledEnvironment, int]) -> None:
        self._measuring = None
        self._measured = measured
        self._tell()

    @pyqtSlot(object)
    def _has_not_measured(self, error: Exception) -> None:
        self._measuring = None

    # ---- removal

    def _uninstall(self) -> None:
        environment = self._installation.state().environment
        if not self._installation.can_uninstall:
            return
        known = environment is not None and self._measured is not None and self._measured[0] == environment
        size = f" ({size_text(self._measured[1])})" if known and self._measured is not None else ""
        buttons = QMessageBox.StandardButton
        question = QMessageBox(
            QMessageBox.Icon.Question,
            tr("Uninstall the Search Engine"),
            tr("Remove the search engine{size} from {folder}?").format(
                size=size, folder=environments_folder(self._settings)
            ),
            buttons.Yes | buttons.Cancel,
            self,
        )
        question.setInformativeText(
            tr(
                "Removed are its packages, with the Python and the installer that were downloaded for it. Other QGIS"
                " profiles that use it lose it too.\n\nResults, indexes, fetched models and the settings stay. It can"
                " be installed again at any time."
            )
        )
        former = self.former.texts()
        also = QCheckBox(tr("&Also the earlier engine in {folders}").format(folders=", ".join(former)))
        if former:
            also.setChecked(True)
            question.setCheckBox(also)
        question.button(buttons.Yes).setText(tr("&Uninstall"))
        question.setDefaultButton(buttons.Cancel)
        if question.exec() == buttons.Yes:
            self._removing = True
            self._tell()
            self._installation.uninstall(with_former=bool(former) and also.isChecked())

    @pyqtSlot(object)
    def _uninstalled(self, error: Exception | None) -> None:
        was_removing, self._removing = self._removing, False
        self.look()
        if error is not None and was_removing:
            text = str(error) if isinstance(error, MpsClipError) else repr(error)
            self.state.setText(f"{text}\n{self.state.text()}")


def _button(name: str, text: str, do: Callable[[], object]) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.clicked.connect(lambda checked=False: do())
    return button
