"""The menu of a project's earlier searches."""

from __future__ import annotations

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QMenu, QToolButton, QWidget

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.results.history import EarlierSearch, SearchHistory

LONGEST = 50


class HistoryMenu(QMenu):
    """Filled when it is opened.

    Signals:
        openRequested(object), rerunRequested(object): an :class:`EarlierSearch`.
    """

    openRequested = pyqtSignal(object)
    rerunRequested = pyqtSignal(object)

    def __init__(self, history: SearchHistory, parent: QWidget | None = None) -> None:
        super().__init__(tr("Earlier searches"), parent)
        self._history = history
        self.aboutToShow.connect(self.fill)

    def button(self, parent: QWidget) -> QToolButton:
        """The button that opens it."""
        button = QToolButton(parent)
        button.setAutoRaise(True)
        button.setIcon(QgsApplication.getThemeIcon("/mIconHistory.svg"))
        button.setText(self.title())
        button.setToolTip(tr("Earlier searches of this project: open them or search again"))
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setMenu(self)
        return button

    def fill(self) -> None:
        """The searches there are now."""
        self.clear()
        entries = self._history.entries()
        if not entries:
            self.addAction(tr("This project has no earlier searches")).setEnabled(False)
        for entry in entries:
            self._add(entry)

    def _add(self, entry: EarlierSearch) -> None:
        name = entry.title if len(entry.title) <= LONGEST else entry.title[: LONGEST - 1] + "…"
        words = tr("{name} ({count} hits, {when})").format(name=name, count=entry.hits, when=entry.when_text())
        menu = self.addMenu(words.replace("&", "&&"))
        opening = menu.addAction(tr("&Open"))
        if entry.path.exists():
            opening.triggered.connect(lambda: self.openRequested.emit(entry))
        else:
            opening.setText(tr("Open (the file is gone)"))
            opening.setEnabled(False)
        menu.addAction(tr("&Search again")).triggered.connect(lambda: self.rerunRequested.emit(entry))
        menu.addAction(tr("&Remove from this list")).triggered.connect(lambda: self._history.remove(entry))
