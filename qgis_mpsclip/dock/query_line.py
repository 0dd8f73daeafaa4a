"""The line in which a query is typed, with the button that starts or stops the search."""

from __future__ import annotations

from qgis.gui import QgsFilterLineEdit
from qgis.PyQt.QtCore import QStringListModel, Qt, pyqtSignal
from qgis.PyQt.QtGui import QKeyEvent
from qgis.PyQt.QtWidgets import QCompleter, QHBoxLayout, QToolButton, QWidget

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.icons import icon
from qgis_mpsclip.settings import Settings


class QueryLine(QWidget):
    """Signals: ``searchRequested`` on Enter (while a search runs, too) and on the button; ``cancelRequested`` on the
    button while one runs."""

    searchRequested = pyqtSignal()
    cancelRequested = pyqtSignal()

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._busy = False
        self._model = QStringListModel(settings.history, self)

        self.edit = _HistoryEdit()
        self.edit.setObjectName("query")
        self.edit.setPlaceholderText(tr("What are you looking for?"))
        self.edit.setToolTip(
            tr(
                "Plain words, such as “storage tanks near the water”. A minus sign lowers the score of what follows:"
                " “meadow -trees”. Enter searches, the down arrow shows earlier queries."
            )
        )
        self.edit.setAccessibleName(tr("Query"))
        completer = QCompleter(self._model, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self.edit.setCompleter(completer)
        self.edit.returnPressed.connect(self._entered)

        self.button = QToolButton()
        self.button.setObjectName("search")
        self.button.setAutoRaise(True)
        self.button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.button.clicked.connect(self._clicked)

        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.edit, 1)
        row.addWidget(self.button)
        self.setFocusProxy(self.edit)
        self.set_busy(False)

    def text(self) -> str:
        return " ".join(self.edit.text().split())

    def set_text(self, text: str) -> None:
        self.edit.setText(text)

    def remember(self, query: str) -> None:
        """Put a query at the beginning of the history."""
        self._settings.remember(query)
        self._model.setStringList(self._settings.history)

    def set_busy(self, busy: bool) -> None:
        """Whether the button cancels instead of searching."""
        self._busy = busy
        self.button.setIcon(icon("cancel" if busy else "search"))
        text = tr("Cancel") if busy else tr("Search")
        self.button.setText(text)
        self.button.setAccessibleName(text)
        self.button.setToolTip(tr("Cancel the search (Esc)") if busy else tr("Search (Enter)"))

    def _entered(self) -> None:
        popup = self.edit.completer().popup()
        if popup is not None:
            popup.hide()
        self.searchRequested.emit()

    def _clicked(self) -> None:
        (self.cancelRequested if self._busy else self.searchRequested).emit()


class _HistoryEdit(QgsFilterLineEdit):
    """Shows the whole history on the down arrow, which QCompleter does only once something is typed."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Down and not self.completer().popup().isVisible():
            self.completer().setCompletionPrefix(self.text())
            self.completer().complete()
            return
        super().keyPressEvent(event)
