"""The dialog's page while something is installed."""

from __future__ import annotations

from qgis.gui import QgsCollapsibleGroupBox
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtGui import QHideEvent, QShowEvent
from qgis.PyQt.QtWidgets import QLabel, QProgressBar, QVBoxLayout, QWidget

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install import wording
from qgis_mpsclip.install.log_view import LogView
from qgis_mpsclip.install.session import Installation
from qgis_mpsclip.install.steps import StepList

_MILLISECONDS = 500
_STEPS = 1000


class ProgressPage(QWidget):
    """Follows the session while it is seen."""

    def __init__(self, installation: Installation, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._installation = installation
        self._cancelling = False
        self.steps = StepList()
        self.bar = QProgressBar()
        self.bar.setObjectName("progress")
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(tr("Progress of the installation"))
        self.text = QLabel()
        self.text.setObjectName("progress_text")
        self.text.setWordWrap(True)
        self.hint = QLabel(
            tr("You can close this window and go on working: the installation goes on among QGIS's tasks.")
        )
        self.hint.setWordWrap(True)
        self.log = LogView()
        self.details = details_box(self.log)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.steps, self.bar, self.text, self.hint):
            column.addWidget(part)
        column.addWidget(self.details, 1)
        column.addStretch()
        self._tick = QTimer(self)
        self._tick.setInterval(_MILLISECONDS)
        self._tick.timeout.connect(self.refresh)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh()
        self._tick.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._tick.stop()

    def show_cancelling(self, cancelling: bool) -> None:
        """Say that the end was asked for, until the page is shown for another installation."""
        self._cancelling = cancelling
        self.refresh()

    def refresh(self) -> None:
        """Show how far it is."""
        course = self._installation.course
        if course is None:
            return
        self.steps.show_course(course)
        self.bar.setValue(round(course.percent() / 100 * _STEPS))
        self.text.setText(tr("Cancelling…") if self._cancelling else wording.course_text(course))
        self.log.follow(self._installation.log_file)


def details_box(log: LogView) -> QgsCollapsibleGroupBox:
    """The log, folded away."""
    box = QgsCollapsibleGroupBox(tr("Details"))
    box.setObjectName("details")
    box.setSaveCollapsedState(False)
    QVBoxLayout(box).addWidget(log)
    log.setMinimumHeight(8 * log.fontMetrics().height())
    box.setCollapsed(True)
    return box
