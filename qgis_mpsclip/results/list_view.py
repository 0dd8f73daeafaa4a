"""The list of hits and its keys."""

from __future__ import annotations

from qgis.PyQt.QtCore import QEvent, QPoint, Qt, pyqtSignal
from qgis.PyQt.QtGui import QContextMenuEvent, QKeyEvent, QKeySequence, QMouseEvent
from qgis.PyQt.QtWidgets import QAbstractItemView, QListView, QWidget

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.results.delegate import HitDelegate

_PLAIN = {
    Qt.Key.Key_A: "accept",
    Qt.Key.Key_R: "reject",
    Qt.Key.Key_N: "note",
    Qt.Key.Key_Return: "zoom",
    Qt.Key.Key_Enter: "zoom",
}
_STANDARD = (
    (QKeySequence.StandardKey.Undo, "undo"),
    (QKeySequence.StandardKey.Redo, "redo"),
    (QKeySequence.StandardKey.Copy, "copy"),
)


class HitsView(QListView):
    """A list in which keys are commands.

    Signals:
        commanded(str): ``accept``, ``reject``, ``note``, ``zoom``, ``undo``, ``redo`` or ``copy`` is wanted.
        revisited(): the current hit was clicked again.
        menuRequested(QPoint): the context menu is wanted, at a point of the screen.
    """

    commanded = pyqtSignal(str)
    revisited = pyqtSignal()
    menuRequested = pyqtSignal(QPoint)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setItemDelegate(HitDelegate(self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setUniformItemSizes(True)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setAccessibleName(tr("Hits"))
        self.doubleClicked.connect(lambda _: self.commanded.emit("zoom"))

    def event(self, event: QEvent) -> bool:
        # QGIS has shortcuts of its own for undo and copy: while the list has the focus, its keys come first.
        if event.type() == QEvent.Type.ShortcutOverride and _command(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        command = _command(event)
        if command:
            event.accept()
            self.commanded.emit(command)
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.pos())
        again = index.isValid() and index == self.currentIndex() and event.button() == Qt.MouseButton.LeftButton
        super().mousePressEvent(event)
        if again:
            self.revisited.emit()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        by_key = event.reason() == QContextMenuEvent.Reason.Keyboard
        place = self.visualRect(self.currentIndex()).center() if by_key else event.pos()
        self.menuRequested.emit(self.viewport().mapToGlobal(place))


def _command(event: QKeyEvent) -> str:
    """What a key means here; empty: nothing."""
    for standard, command in _STANDARD:
        if event.matches(standard):
            return command
    held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    return _PLAIN.get(event.key(), "") if held == Qt.KeyboardModifier.NoModifier else ""
