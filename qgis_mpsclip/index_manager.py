"""The indexes on disk: how large they are, which are of no use any more, and their removal."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from qgis.PyQt.QtCore import QDateTime, QLocale, Qt
from qgis.PyQt.QtGui import QShowEvent
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QMessageBox,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from qgis_mpsclip.client import EngineClient, PendingRequest
from qgis_mpsclip.documentation import open_guide
from qgis_mpsclip.errors import EngineError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.settings import Settings
from qgis_mpsclip.sizes import size_text

ENTRY = Qt.ItemDataRole.UserRole
SORT = int(Qt.ItemDataRole.UserRole) + 1
RASTER, SIZE, SIDE, TILES, MODEL, CHANGED, STATE = range(7)


class _Row(QTreeWidgetItem):
    """Sorts numbers as numbers."""

    def __lt__(self, other: QTreeWidgetItem) -> bool:
        column = self.treeWidget().sortColumn()
        return self.data(column, SORT) < other.data(column, SORT)


class IndexManager(QDialog):
    """Lists the indexes whenever it is shown."""

    def __init__(self, settings: Settings, client: EngineClient, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._client = client
        self._pending: PendingRequest | None = None
        self.setObjectName("mpsclip_index_manager")
        self.setWindowTitle(tr("MPS-CLIP Indexes"))

        about = QLabel(
            tr(
                "A raster is encoded once, and its index kept, so that later searches are quick. What is removed"
                " here is computed again when it is needed."
            )
        )
        about.setWordWrap(True)
        self.table = self._make_table()
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.remove_selected = QPushButton(tr("&Remove Selected"))
        self.remove_stale = QPushButton(tr("Remove &Stale"))
        self.remove_all = QPushButton(tr("Remove &All…"))
        self.remove_stale.setToolTip(tr("Those of rasters that have changed or are gone; no search uses them again."))
        self.remove_selected.clicked.connect(self._remove_selected)
        self.remove_stale.clicked.connect(lambda: self._remove({"stale": True}))
        self.remove_all.clicked.connect(self._remove_all)

        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close | QDialogButtonBox.StandardButton.Help)
        for button in (self.remove_selected, self.remove_stale, self.remove_all):
            buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        buttons.helpRequested.connect(lambda: open_guide("indexes"))
        column = QVBoxLayout(self)
        for widget in (about, self.table, self.summary, buttons):
            column.addWidget(widget)
        letter = self.fontMetrics().averageCharWidth()
        self.resize(110 * letter, 60 * letter)
        self._enable()

    def showEvent(self, event: QShowEvent) -> None:
        """List anew."""
        super().showEvent(event)
        self.refresh()

    def refresh(self) -> None:
        """Ask the engine what there is."""
        if self._pending is None:
            self._ask("index.list", {}, tr("Reading the indexes…"), self._show)

    # ---- the list

    def _make_table(self) -> QTreeWidget:
        table = QTreeWidget()
        table.setObjectName("indexes")
        table.setAccessibleName(tr("Indexes"))
        table.setHeaderLabels(
            [tr("Raster"), tr("Size"), tr("Tile"), tr("Tiles"), tr("Model"), tr("Last change"), tr("State")]
        )
        table.setRootIsDecorated(False)
        table.setUniformRowHeights(True)
        table.setAlternatingRowColors(True)
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        table.header().setSectionResizeMode(RASTER, QHeaderView.ResizeMode.Stretch)
        table.header().setStretchLastSection(False)
        table.setSortingEnabled(True)
        table.sortByColumn(SIZE, Qt.SortOrder.DescendingOrder)
        table.itemSelectionChanged.connect(self._enable)
        return table

    def _show(self, answer: dict[str, Any]) -> None:
        self.table.setSortingEnabled(False)
        self.table.clear()
        for entry in answer.get("indexes", []):
            self.table.addTopLevelItem(_row(entry))
        self.table.setSortingEnabled(True)
        for column in (SIZE, SIDE, TILES, MODEL, CHANGED, STATE):
            self.table.resizeColumnToContents(column)
        count = self.table.topLevelItemCount()
        if count == 0:
            self.summary.setText(tr("There are no indexes. The first search of a raster makes one."))
            return
        self.summary.setText(
            tr("{count} indexes, {size}, in {folder}; {free} free").format(
                count=count,
                size=size_text(answer.get("bytes")),
                folder=answer.get("folder", "?"),
                free=size_text(answer.get("free_bytes")),
            )
        )

    def _entries(self, items: list[QTreeWidgetItem]) -> list[dict[str, Any]]:
        return [item.data(0, ENTRY) for item in items]

    def _all_items(self) -> list[QTreeWidgetItem]:
        return [self.table.topLevelItem(row) for row in range(self.table.topLevelItemCount())]

    def _enable(self) -> None:
        idle = self._pending is None
        everything = self._entries(self._all_items())
        self.remove_selected.setEnabled(idle and bool(self.table.selectedItems()))
        self.remove_stale.setEnabled(idle and any(entry.get("stale") for entry in everything))
        self.remove_all.setEnabled(idle and bool(everything))

    # ---- removal

    def _remove_selected(self) -> None:
        self._remove({"keys": [entry["key"] for entry in self._entries(self.table.selectedItems())]})

    def _remove_all(self) -> None:
        buttons = QMessageBox.StandardButton
        question = QMessageBox(
            QMessageBox.Icon.Question,
            self.windowTitle(),
            tr("Remove all indexes? The next search of each raster encodes it again."),
            buttons.Yes | buttons.Cancel,
            self,
        )
        question.setDefaultButton(buttons.Cancel)
        if question.exec() == buttons.Yes:
            self._remove({"all": True})

    def _remove(self, which: dict[str, Any]) -> None:
        self._ask("index.remove", which, tr("Removing…"), self._removed)

    def _removed(self, answer: dict[str, Any]) -> None:
        self.refresh()

    # ---- asking

    def _ask(self, method: str, params: dict[str, Any], doing: str, then: Any) -> None:
        self.summary.setText(doing)
        self._pending = request = self._client.request(method, params)
        self._enable()

        def answered(answer: dict[str, Any]) -> None:
            self._pending = None
            then(answer)
            self._enable()

        request.finished.connect(answered)
        request.failed.connect(self._failed)
        request.cancelled.connect(lambda: self._failed(None))

    def _failed(self, error: EngineError | None) -> None:
        self._pending = None
        self.summary.setText(tr("The search engine was ended.") if error is None else f"{error.problem} {error.remedy}")
        self._enable()


def _row(entry: dict[str, Any]) -> _Row:
    raster, tiles, done = entry.get("raster") or "", entry.get("tiles") or 0, entry.get("done")
    cells = {
        RASTER: (PurePath(raster).name or tr("(unknown)"), raster),
        SIZE: (size_text(entry.get("bytes")), entry.get("bytes") or 0),
        SIDE: (tr("{pixels} px").format(pixels=entry.get("tile") or "?"), entry.get("tile") or 0),
        TILES: (tr("{done} of {all}").format(done="?" if done is None else done, all=tiles or "?"), tiles),
        MODEL: (entry.get("model") or "?", entry.get("model") or ""),
        CHANGED: (_time(entry.get("modified")), entry.get("modified") or ""),
        STATE: _state(entry),
    }
    row = _Row([text for text, _ in cells.values()])
    for column, (_, value) in cells.items():
        row.setData(column, SORT, value)
    for column in (SIZE, SIDE, TILES):
        row.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    row.setToolTip(RASTER, raster)
    row.setToolTip(STATE, str(entry.get("stale") or ""))
    row.setData(0, ENTRY, entry)
    return row


def _state(entry: dict[str, Any]) -> tuple[str, str]:
    if entry.get("stale"):
        text = tr("stale: {reason}").format(reason=entry["stale"])
    elif entry.get("done") is None:
        text = tr("damaged")
    elif entry["done"] < (entry.get("tiles") or 0):
        text = tr("in part")
    else:
        text = tr("complete")
    return text, text


def _time(stamp: str | None) -> str:
    """An ISO time with zone as local date and time."""
    time = QDateTime.fromString(stamp or "", Qt.DateFormat.ISODate)
    return QLocale().toString(time.toLocalTime(), QLocale.FormatType.ShortFormat) if time.isValid() else "?"
