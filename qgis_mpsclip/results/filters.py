"""What of the hits is listed: order, which ones, and the least score."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QComboBox, QGridLayout, QLabel, QSizePolicy, QSlider, QWidget

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.results.model import Filter, Order
from qgis_mpsclip.results.review import ACCEPTED, REJECTED, UNREVIEWED
from qgis_mpsclip.results.wording import percent


class FilterBar(QWidget):
    """Order, choice and least score, in two lines.

    Signals:
        filterChanged(object): a :class:`Filter`.
        orderChanged(object): an :class:`Order`.
    """

    filterChanged = pyqtSignal(object)
    orderChanged = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._levels: list[float] = []
        self._keywords: list[str] | None = None
        self._least: float | None = None
        self.order = _combo(tr("Order of the hits"))
        for order, words in (
            (Order.BEST, tr("Best first")),
            (Order.LEAST, tr("Best last")),
            (Order.PERCENTILE, tr("By whole tile")),
            (Order.RASTER, tr("By raster and place")),
        ):
            self.order.addItem(words, int(order))
        self.order.setItemData(
            2, tr("By the score of the whole tile, without what was outlined on it"), Qt.ItemDataRole.ToolTipRole
        )
        self.shown = _combo(tr("Which hits are shown"))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(tr("Least score"))
        self.slider.setToolTip(
            tr("Least score: hides hits that are better than fewer tiles, in the list and on the map.")
        )
        self.level = QLabel()
        self.level.setBuddy(self.slider)
        self.level.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.order, 0, 0)
        layout.addWidget(self.shown, 0, 1)
        layout.addWidget(self.slider, 1, 0)
        layout.addWidget(self.level, 1, 1)
        layout.setColumnStretch(0, 1)
        layout.setColumnStretch(1, 1)
        self.set_keywords(())
        self.set_levels(())
        self.order.currentIndexChanged.connect(lambda _: self.orderChanged.emit(Order(self.order.currentData())))
        self.shown.currentIndexChanged.connect(lambda _: self._emit())
        self.slider.valueChanged.connect(self._slid)

    def chosen(self) -> Filter:
        kind, value = self.shown.currentData()
        return Filter(self._least, value if kind == "verdict" else None, value if kind == "keyword" else None)

    def set_keywords(self, keywords: Iterable[str]) -> None:
        """Keywords to choose from; the choice stays while it is there."""
        keywords = list(keywords)
        if keywords == self._keywords:
            return
        self._keywords = keywords
        before = self.shown.currentData()
        choices = [
            (tr("All hits"), ("all", None)),
            (tr("To review"), ("verdict", UNREVIEWED)),
            (tr("Accepted"), ("verdict", ACCEPTED)),
            (tr("Rejected"), ("verdict", REJECTED)),
            *((tr("With {keyword}").format(keyword=word), ("keyword", word)) for word in keywords),
        ]
        self.shown.blockSignals(True)
        self.shown.clear()
        for words, data in choices:
            self.shown.addItem(words, data)
        known = [data for _, data in choices]
        self.shown.setCurrentIndex(known.index(before) if before in known else 0)
        self.shown.blockSignals(False)
        if before is not None and before not in known:
            self._emit()

    def set_levels(self, percentiles: Sequence[float | None]) -> None:
        """The scores of the hits: the slider has one place for each of them."""
        self._levels = sorted({value for value in percentiles if value is not None})
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(0, len(self._levels) - 1))
        self.slider.setPageStep(max(1, len(self._levels) // 10))
        place = 0 if self._least is None else bisect_left(self._levels, self._least)
        self.slider.setValue(place)
        self.slider.blockSignals(False)
        self.slider.setEnabled(len(self._levels) > 1)
        self._tell_level()

    def reset(self) -> None:
        """All hits are shown."""
        self.slider.setValue(0)
        self.shown.setCurrentIndex(0)

    def _slid(self, place: int) -> None:
        self._least = self._levels[place] if place > 0 else None
        self._tell_level()
        self._emit()

    def _tell_level(self) -> None:
        place = self.slider.value()
        if not self._levels or place == 0:
            self.level.setText(tr("any score"))
        else:
            self.level.setText(tr("from {percent} %").format(percent=percent(self._levels[place])))

    def _emit(self) -> None:
        self.filterChanged.emit(self.chosen())


def _combo(name: str) -> QComboBox:
    """One that a narrow dock may squeeze."""
    combo = QComboBox()
    combo.setAccessibleName(name)
    combo.setToolTip(name)
    combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(6)
    return combo
