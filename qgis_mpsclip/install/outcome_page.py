"""The dialog's page after an installation: what was installed and works, or what went wrong and what helps."""

from __future__ import annotations

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QLabel, QVBoxLayout, QWidget

from qgis_mpsclip.durations import duration
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.former_row import FormerRow
from qgis_mpsclip.install.log_view import LogView
from qgis_mpsclip.install.message import INFORMATION, SUCCESS, WARNING, MessageLine
from qgis_mpsclip.install.progress_page import details_box
from qgis_mpsclip.install.session import Installation
from qgis_mpsclip.install.steps import StepList


class OutcomePage(QWidget):
    """Shows how the session's last installation ended."""

    def __init__(self, installation: Installation, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._installation = installation
        self.message = MessageLine("outcome")
        self.facts = QLabel()
        self.facts.setObjectName("facts")
        self.facts.setWordWrap(True)
        self.facts.setTextFormat(Qt.TextFormat.PlainText)
        self.facts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.former = FormerRow(installation)
        self.steps = StepList()
        self.log = LogView()
        self.details = details_box(self.log)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.message)
        column.addWidget(self.facts)
        column.addWidget(self.former)
        column.addWidget(self.steps)
        column.addWidget(self.details, 1)
        column.addStretch()

    def show_outcome(self) -> None:
        """Ask the session anew."""
        session = self._installation
        if session.installed is not None:
            self.message.set_picture(SUCCESS)
            time = duration(session.course.seconds())
            self.message.show_text(tr("The search engine is installed and works. It took {time}.").format(time=time))
        elif session.was_cancelled:
            self.message.set_picture(INFORMATION)
            self.message.show_text(
                tr(
                    "The installation was cancelled. What was downloaded is kept: another try goes on from there. What"
                    " was installed before is as it was."
                )
            )
        elif session.error is not None:
            self.message.set_picture(WARNING)
            parts = [session.error.problem, session.error.remedy]
            if session.state().is_used:
                parts.append(tr("What was installed before is as it was, and searching works with it."))
            self.message.show_text("\n\n".join(part for part in parts if part))
        self.facts.setText(session.check_text)
        self.facts.setVisible(bool(session.check_text))
        self.former.setVisible(session.installed is not None)
        failed = session.error is not None and not session.was_cancelled
        self.steps.setVisible(failed)
        self.details.setVisible(session.log_file is not None)
        if session.course is not None:
            self.steps.show_course(session.course)
        self.log.follow(session.log_file)
