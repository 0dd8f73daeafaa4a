"""The widgets of the results in the dock, and how they lie."""

from __future__ import annotations

from qgis.PyQt.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QStackedWidget, QToolBar, QVBoxLayout, QWidget

from qgis_mpsclip.results.empty_page import EmptyPage
from qgis_mpsclip.results.filters import FilterBar
from qgis_mpsclip.results.list_view import HitsView
from qgis_mpsclip.results.note_editor import NoteEditor


class ResultsForm(QWidget):
    """Title and summary of the search, filters, list of hits or a page that says why there is none, note editor."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title, self.summary = _wrapped_label(), _wrapped_label()
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.filters, self.list, self.empty, self.note = FilterBar(), HitsView(), EmptyPage(), NoteEditor()
        self.pages = QStackedWidget()
        self.pages.addWidget(self.empty)
        self.pages.addWidget(self.list)
        self._top = QHBoxLayout()
        self._top.addWidget(self.title, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._top)
        for widget in (self.summary, self.filters):
            layout.addWidget(widget)
        layout.addWidget(self.pages, 1)
        layout.addWidget(self.note)

    def add_controls(self, bar: QToolBar, *buttons: QWidget) -> None:
        """Puts the tool bar above the filters, and buttons beside the title."""
        self.bar = bar
        layout = self.layout()
        layout.insertWidget(layout.indexOf(self.filters), bar)
        for button in buttons:
            self._top.addWidget(button)


def _wrapped_label() -> QLabel:
    """Takes the width that the dock has, and wraps there."""
    label = QLabel()
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label
