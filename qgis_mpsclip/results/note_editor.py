"""The line below the list in which a note is written."""

from __future__ import annotations

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtGui import QKeyEvent
from qgis.PyQt.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QWidget

from qgis_mpsclip.i18n import tr


class NoteEditor(QWidget):
    """Hidden until it is asked for. Enter keeps the note, Esc leaves it as it was.

    Signals:
        written(str): the note.
        closed(): the line is gone; the list gets the focus back.
    """

    written = pyqtSignal(str)
    closed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label = QLabel()
        self.line = QLineEdit()
        self.line.setPlaceholderText(tr("Note; Enter keeps it, Esc does not"))
        self.line.setAccessibleName(tr("Note"))
        self.label.setBuddy(self.line)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addWidget(self.line, 1)
        self.line.returnPressed.connect(self._keep)
        self.hide()

    def edit(self, rank: int, note: str) -> None:
        """Shows a note to be changed."""
        self.label.setText(tr("Hit {rank}").format(rank=rank))
        self.line.setText(note)
        self.show()
        self.line.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.line.selectAll()

    def leave(self) -> None:
        """Closes without keeping."""
        if not self.isHidden():
            self.hide()
            self.closed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            event.accept()
            self.leave()
        elif event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):  # the line has had its Enter
            super().keyPressEvent(event)

    def _keep(self) -> None:
        self.written.emit(self.line.text().strip())
        self.leave()
