"""What to do next, where there is nothing to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from qgis.PyQt.QtWidgets import QFrame, QLabel, QPushButton, QVBoxLayout, QWidget


@dataclass(frozen=True)
class Notice:
    """``text`` says what is the matter and what helps; the button ``action`` does it, or else ``other`` does."""

    text: str
    action: str = ""
    do: Callable[[], object] | None = None
    other: str = ""
    do_other: Callable[[], object] | None = None


class NoticeBox(QFrame):
    """Shows one notice; hidden without one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.label = QLabel()
        self.label.setObjectName("notice")
        self.label.setWordWrap(True)
        self.button = QPushButton()
        self.button.setObjectName("notice_action")
        self.button.clicked.connect(self._act)
        self.other = QPushButton()
        self.other.setObjectName("notice_other")
        self.other.clicked.connect(self._act_otherwise)
        column = QVBoxLayout(self)
        for part in (self.label, self.button, self.other):
            column.addWidget(part)
        self._notice: Notice | None = None
        self.show_notice(None)

    def show_notice(self, notice: Notice | None) -> None:
        self._notice = notice
        self.label.setText(notice.text if notice else "")
        self.button.setText(notice.action if notice else "")
        self.button.setVisible(bool(notice and notice.do))
        self.other.setText(notice.other if notice else "")
        self.other.setVisible(bool(notice and notice.do_other))
        self.setVisible(notice is not None)

    def _act(self) -> None:
        if self._notice is not None and self._notice.do is not None:
            self._notice.do()

    def _act_otherwise(self) -> None:
        if self._notice is not None and self._notice.do_other is not None:
            self._notice.do_other()
