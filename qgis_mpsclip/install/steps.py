"""The list of steps with their ticks."""

from __future__ import annotations

from qgis.PyQt.QtGui import QIcon, QPixmap
from qgis.PyQt.QtWidgets import QGridLayout, QLabel, QWidget

from qgis_mpsclip.durations import duration
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.icons import icon
from qgis_mpsclip.install.course import DONE, FAILED, RUNNING, WAITING, Course, step_title

_SHOWN_SECONDS = 1.0  # shorter steps need no time beside them


class StepList(QWidget):
    """One line a step: whether it is done, what it is, how long it has taken."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setColumnStretch(1, 1)
        self._lines: dict[str, tuple[QLabel, QLabel, QLabel]] = {}
        self._pictures: dict[str, QPixmap] = {}

    def show_course(self, course: Course) -> None:
        """Show how far it is."""
        if list(self._lines) != course.steps:
            self._make_lines(course.steps)
        for step, (mark, title, time) in self._lines.items():
            state = course.state(step)
            mark.setPixmap(self._picture(state))
            mark.setAccessibleName(_state_text(state))
            title.setEnabled(state != WAITING)
            title.setAccessibleDescription(_state_text(state))
            font = title.font()
            font.setBold(state in (RUNNING, FAILED))
            title.setFont(font)
            seconds = course.seconds(step)
            time.setText(duration(seconds) if state != WAITING and seconds >= _SHOWN_SECONDS else "")

    def states(self) -> dict[str, str]:
        """What each line says of its step, as a screen reader hears it."""
        return {step: mark.accessibleName() for step, (mark, _, _) in self._lines.items()}

    def _make_lines(self, steps: list[str]) -> None:
        for line in self._lines.values():
            for label in line:
                self._grid.removeWidget(label)
                label.deleteLater()
        self._lines = {}
        side = self._side()
        for row, step in enumerate(steps):
            mark, title, time = QLabel(), QLabel(step_title(step)), QLabel()
            mark.setFixedSize(side, side)
            for column, label in enumerate((mark, title, time)):
                self._grid.addWidget(label, row, column)
            self._lines[step] = (mark, title, time)

    def _side(self) -> int:
        return self.fontMetrics().height()

    def _picture(self, state: str) -> QPixmap:
        if state not in self._pictures:
            names = {DONE: "accept", FAILED: "reject", RUNNING: "next"}
            picture = icon(names[state]) if state in names else QIcon()
            self._pictures[state] = picture.pixmap(self._side(), self._side())
        return self._pictures[state]


def _state_text(state: str) -> str:
    return {DONE: tr("done"), FAILED: tr("failed"), RUNNING: tr("in progress"), WAITING: tr("waiting")}[state]
