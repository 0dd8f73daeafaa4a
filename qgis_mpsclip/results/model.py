"""The hits of a search as a list model, and what of it is shown in which order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Callable

from qgis.PyQt.QtCore import QAbstractListModel, QModelIndex, QObject, QSortFilterProxyModel, Qt, pyqtSignal
from qgis.PyQt.QtGui import QImage

from qgis_mpsclip.results.hits import Hit, HitKey
from qgis_mpsclip.results.review import Review
from qgis_mpsclip.results.wording import keywords_text, score_texts, tooltip

_USER = int(Qt.ItemDataRole.UserRole)


class Role(IntEnum):
    """What a hit's index answers beside its text and tooltip."""

    HIT = _USER + 1
    RANK = _USER + 2
    SCORE = _USER + 3
    PERCENTILE = _USER + 4
    KEYWORDS = _USER + 5
    REVIEW = _USER + 6
    NOTE = _USER + 7
    THUMBNAIL = _USER + 8


class HitsModel(QAbstractListModel):
    """Hits with their reviews. Rows have no order of meaning: :class:`HitsProxy` sorts.

    Signals:
        reviewed(): a review or note has changed.
    """

    reviewed = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._hits: list[Hit] = []
        self._rows: dict[HitKey, int] = {}
        self._reviews: dict[HitKey, Review] = {}
        self.thumbnail: Callable[[Hit], QImage | None] = lambda hit: None
        """Asked for a hit's picture; None while there is none yet."""

    def hits(self) -> list[Hit]:
        return list(self._hits)

    def hit(self, key: HitKey) -> Hit | None:
        row = self._rows.get(key)
        return None if row is None else self._hits[row]

    def reviews(self) -> dict[HitKey, Review]:
        """All reviews that say something."""
        return {key: review for key, review in self._reviews.items() if review != Review()}

    def review(self, key: HitKey) -> Review:
        return self._reviews.get(key, Review())

    def set_hits(self, hits: Iterable[Hit], reviews: dict[HitKey, Review] | None = None) -> None:
        """Replaces all hits. Reviews of hits that stay are kept unless others are given."""
        self.beginResetModel()
        self._hits = list(hits)
        self._rows = {hit.key: row for row, hit in enumerate(self._hits)}
        known = self._reviews if reviews is None else reviews
        self._reviews = {key: review for key, review in known.items() if key in self._rows}
        self.endResetModel()

    def update_hit(self, hit: Hit) -> bool:
        """Replaces a hit in its place; False when it is not in the list."""
        row = self._rows.get(hit.key)
        if row is None:
            return False
        self._hits[row] = hit
        self._changed(row)
        return True

    def set_review(self, key: HitKey, review: Review) -> None:
        """Sets what is thought of a hit; one that is gone is left out."""
        row = self._rows.get(key)
        if row is None:
            return
        self._reviews[key] = review
        self._changed(row)
        self.reviewed.emit()

    def thumbnail_ready(self, key: object) -> None:
        """A picture has arrived: its row is painted again."""
        row = self._rows.get(key)  # type: ignore[call-overload]
        if row is not None:
            index = self.index(row)
            self.dataChanged.emit(index, index, [int(Role.THUMBNAIL)])

    def forget_thumbnails(self) -> None:
        """All pictures are out of date."""
        if self._hits:
            self.dataChanged.emit(self.index(0), self.index(len(self._hits) - 1), [int(Role.THUMBNAIL)])

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's
        return 0 if parent.isValid() else len(self._hits)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self._hits):
            return None
        hit = self._hits[index.row()]
        reader = _READERS.get(int(role))
        if reader is not None:
            return reader(hit, self.review(hit.key))
        return self.thumbnail(hit) if int(role) == Role.THUMBNAIL else None

    def _changed(self, row: int) -> None:
        index = self.index(row)
        self.dataChanged.emit(index, index)


def _spoken(hit: Hit, review: Review) -> str:
    """A row for a screen reader, and for whatever shows plain text."""
    parts = [str(hit.rank), score_texts(hit)[0], keywords_text(hit), review.word, review.note]
    return ", ".join(part for part in parts if part)


_READERS: dict[int, Callable[[Hit, Review], Any]] = {
    int(Qt.ItemDataRole.DisplayRole): _spoken,
    int(Qt.ItemDataRole.AccessibleTextRole): _spoken,
    int(Qt.ItemDataRole.ToolTipRole): lambda hit, review: tooltip(hit, review.note),
    int(Role.HIT): lambda hit, review: hit,
    int(Role.RANK): lambda hit, review: hit.rank,
    int(Role.SCORE): lambda hit, review: hit.score,
    int(Role.PERCENTILE): lambda hit, review: hit.percentile,
    int(Role.KEYWORDS): lambda hit, review: hit.keywords,
    int(Role.REVIEW): lambda hit, review: review.verdict,
    int(Role.NOTE): lambda hit, review: review.note,
}


@dataclass(frozen=True)
class Filter:
    """Which hits are shown.

    Attributes:
        least: percentile from which on; None: all.
        verdict: as in :class:`Review`; None: whatever it is.
        keyword: that has been outlined; None: whatever was.
    """

    least: float | None = None
    verdict: str | None = None
    keyword: str | None = None

    def passes(self, hit: Hit, review: Review) -> bool:
        if self.least is not None and hit.percentile is not None and hit.percentile < self.least:
            return False
        if self.verdict is not None and review.verdict != self.verdict:
            return False
        return self.keyword is None or self.keyword in hit.keywords


class Order(IntEnum):
    """How hits are sorted."""

    BEST = 0
    LEAST = 1
    PERCENTILE = 2
    RASTER = 3


class HitsProxy(QSortFilterProxyModel):
    """The hits that pass the filter, in the chosen order; equal ones by rank."""

    def __init__(self, model: HitsModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._filter = Filter()
        self._order = Order.BEST
        self.setSourceModel(model)
        self.setDynamicSortFilter(True)
        self.sort(0)

    @property
    def filter(self) -> Filter:
        return self._filter

    def set_filter(self, chosen: Filter) -> None:
        if chosen != self._filter:
            self._filter = chosen
            self.invalidateFilter()

    def set_order(self, order: Order) -> None:
        if order != self._order:
            self._order = order
            self.invalidate()

    def shown(self) -> list[Hit]:
        """The hits in the order of the list."""
        return [self.index(row, 0).data(Role.HIT) for row in range(self.rowCount())]

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:
        model: HitsModel = self.sourceModel()
        hit = model.index(row).data(Role.HIT)
        return self._filter.passes(hit, model.review(hit.key))

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:
        return self._place(left.data(Role.HIT)) < self._place(right.data(Role.HIT))

    def _place(self, hit: Hit) -> tuple[Any, ...]:
        if self._order is Order.LEAST:
            return (-hit.rank,)
        if self._order is Order.PERCENTILE:
            return -(hit.percentile or 0.0), hit.rank
        if self._order is Order.RASTER:
            return hit.raster, hit.tile_row, hit.tile_col
        return (hit.rank,)
