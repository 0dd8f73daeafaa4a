"""A line that says what is the matter, with an icon; not there where nothing is."""

from __future__ import annotations

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

WARNING, SUCCESS, INFORMATION = "mIconWarning.svg", "mIconSuccess.svg", "mIconInfo.svg"  # of QGIS's theme


class MessageLine(QFrame):
    """Text in a frame, which can be selected and copied."""

    def __init__(self, name: str, picture: str = WARNING, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._icon = QLabel()
        self._icon.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.label = QLabel()
        self.label.setObjectName(name)
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        flags = Qt.TextInteractionFlag
        self.label.setTextInteractionFlags(flags.TextSelectableByMouse | flags.TextSelectableByKeyboard)
        row = QHBoxLayout(self)
        row.addWidget(self._icon)
        row.addWidget(self.label, 1)
        self.set_picture(picture)
        self.hide()

    def set_picture(self, picture: str) -> None:
        side = self.fontMetrics().height() * 3 // 2
        self._icon.setPixmap(QgsApplication.getThemeIcon(picture).pixmap(side, side))

    def text(self) -> str:
        return self.label.text()

    def show_text(self, text: str) -> None:
        """Hidden without a text."""
        self.label.setText(text)
        self.setVisible(bool(text))
