"""What stands in the place of the list while it has nothing to show: why, and what to do next."""

from __future__ import annotations

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from qgis_mpsclip.i18n import tr


class EmptyPage(QWidget):
    """A title and what to do next.

    Signals:
        showAllRequested(): the filter is to be taken away.
    """

    showAllRequested = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel()
        self.text = QLabel()
        for label in (self.title, self.text):
            label.setWordWrap(True)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.button = QPushButton(tr("Show all hits"))
        self.button.clicked.connect(self.showAllRequested)
        layout = QVBoxLayout(self)
        layout.addStretch(1)
        layout.addWidget(self.title)
        layout.addWidget(self.text)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(2)

    def nothing_searched(self, earlier: bool) -> None:
        """``earlier``: whether the project has searches that can be opened."""
        text = tr(
            "Choose a raster, say what you look for, such as “tennis courts beside a parking lot”, and press Enter."
        )
        if earlier:
            text += "\n\n" + tr("Earlier searches of this project are behind the clock above.")
        self._say(tr("No search yet"), text)

    def searching(self) -> None:
        self._say(
            tr("Searching…"), tr("The first hits appear as soon as all tiles have been compared with your words.")
        )

    def nothing_found(self) -> None:
        self._say(
            tr("Nothing found"),
            tr("Use other or fewer words, lower the minimum score, or search a larger extent or another raster."),
        )

    def stopped(self) -> None:
        self._say(
            tr("Cancelled before the first hit"),
            tr("Tiles that were compared are kept in the index, so the same search goes on from there."),
        )

    def failed(self, reason: str) -> None:
        self._say(tr("The search failed"), reason)

    def all_hidden(self, count: int) -> None:
        self._say(
            tr("The filter hides all {count} hits").format(count=count),
            tr("Lower the least score, or choose other hits to show."),
            button=True,
        )

    def _say(self, title: str, text: str, button: bool = False) -> None:
        self.title.setText(title)
        self.text.setText(text)
        self.button.setVisible(button)
