"""What can be done with hits: the tool bar and the context menu."""

from __future__ import annotations

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QObject, QSize, Qt, pyqtSignal
from qgis.PyQt.QtGui import QIcon, QKeySequence
from qgis.PyQt.QtWidgets import QMenu, QToolBar, QToolButton, QWidget

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.icons import icon

try:
    from qgis.PyQt.QtGui import QAction
except ImportError:  # Qt 5 has it among its widgets
    from qgis.PyQt.QtWidgets import QAction

ON_SELECTION = ("accept", "reject", "zoom", "copy", "copy_geographic", "export_selected")


class HitActions(QObject):
    """The actions, by command.

    The keys beside them are those of the list (:class:`HitsView`): they are shown, but it is the list that listens.

    Signals:
        triggered(str): the command.
    """

    triggered = pyqtSignal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._actions: dict[str, QAction] = {}
        self._add("accept", tr("Accept"), icon("accept"), "A")
        self._add("reject", tr("Reject"), icon("reject"), "R")
        self._add("note", tr("Note…"), icon("note"), "N")
        self._add("undo", tr("Undo"), _theme("mActionUndo"), QKeySequence.StandardKey.Undo)
        self._add("redo", tr("Redo"), _theme("mActionRedo"), QKeySequence.StandardKey.Redo)
        self._add("zoom", tr("Zoom to"), _theme("mActionZoomToSelected"), tr("Enter"))
        self._add("copy", tr("Copy coordinates"), _theme("mActionEditCopy"), QKeySequence.StandardKey.Copy)
        self._add("copy_geographic", tr("Copy latitude and longitude"), QIcon(), "")
        self._add("export", tr("Export…"), icon("export"), "")
        self._add("export_selected", tr("Export selection…"), icon("export"), "")
        self._add("help", tr("Help on the results"), icon("help"), "")

    def __getitem__(self, command: str) -> QAction:
        return self._actions[command]

    def tool_bar(self, parent: QWidget) -> QToolBar:
        """All that is used often; what a narrow dock has no room for is behind its last button."""
        bar = QToolBar(parent)
        side = parent.fontMetrics().height() + 2
        bar.setIconSize(QSize(side, side))
        for command in ("accept", "reject", "note", "undo", "redo", "export"):
            bar.addAction(self._actions[command])
            bar.widgetForAction(self._actions[command]).setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return bar

    def button(self, command: str, parent: QWidget) -> QToolButton:
        """A button of one action."""
        button = QToolButton(parent)
        button.setAutoRaise(True)
        button.setDefaultAction(self._actions[command])
        return button

    def menu(self, parent: QWidget) -> QMenu:
        """The context menu."""
        menu = QMenu(parent)
        for block in (("zoom", "accept", "reject", "note"), ("copy", "copy_geographic"), ("export_selected",)):
            for command in block:
                menu.addAction(self._actions[command])
            menu.addSeparator()
        return menu

    def enable(self, selected: bool, current: bool, hits: bool) -> None:
        """Only what has something to work on."""
        for command in ON_SELECTION:
            self._actions[command].setEnabled(selected)
        self._actions["note"].setEnabled(current)
        self._actions["export"].setEnabled(hits)

    def _add(self, command: str, words: str, picture: QIcon, key: str | QKeySequence.StandardKey) -> None:
        action = QAction(picture, words, self)
        shown = QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
        if shown:
            action.setToolTip(f"{words.rstrip('…')} ({shown})")
            action.setText(f"{words}\t{shown}")
        action.setIconText(words.rstrip("…"))
        action.triggered.connect(lambda: self.triggered.emit(command))
        self._actions[command] = action


def _theme(*names: str) -> QIcon:
    """The first of QGIS's own icons that there is."""
    for name in names:
        found = QgsApplication.getThemeIcon(f"/{name}.svg")
        if not found.isNull():
            return found
    return QIcon()
