"""Verdicts and notes: put into the list and its file at once, and taken back with undo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Callable

from qgis.PyQt.QtCore import QObject, pyqtSignal

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.results.hits import Hit, HitKey
from qgis_mpsclip.results.layers import ResultLayers
from qgis_mpsclip.results.model import HitsModel
from qgis_mpsclip.results.review import ACCEPTED, UNREVIEWED, Review

try:
    from qgis.PyQt.QtGui import QUndoCommand, QUndoStack
except ImportError:  # Qt 5 has them among its widgets
    from qgis.PyQt.QtWidgets import QUndoCommand, QUndoStack

Apply = Callable[[Mapping[HitKey, Review]], bool]


class ReviewCommand(QUndoCommand):
    """Changes reviews of one or several hits.

    Args:
        words: what it does, for the menu.
        before, after: the reviews by hit.
        apply: puts reviews into the list and its file; False where that failed.
    """

    def __init__(
        self, words: str, before: Mapping[HitKey, Review], after: Mapping[HitKey, Review], apply: Apply
    ) -> None:
        super().__init__(words)
        self._before, self._after, self._apply = dict(before), dict(after), apply

    def redo(self) -> None:
        # What could not be kept is not there to be taken back.
        self.setObsolete(not self._apply(self._after))

    def undo(self) -> None:
        self.setObsolete(not self._apply(self._before))


class Reviewer(QObject):
    """Reviews the hits of a model.

    Signals:
        failed(object): an :class:`MpsClipError`: a review could not be kept, so it is not shown either.
    """

    failed = pyqtSignal(object)

    def __init__(self, model: HitsModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._layers: ResultLayers | None = None
        self.stack = QUndoStack(self)

    def review_in(self, layers: ResultLayers) -> None:
        """Another search: reviews are kept in its layers, and what was done before can no longer be undone."""
        self._layers = layers
        self.stack.clear()

    def judge(self, hits: Iterable[Hit], verdict: str) -> None:
        """Gives hits a verdict, or takes it back where all have it."""
        before = {hit.key: self._model.review(hit.key) for hit in hits}
        if not before:
            return
        words = tr("Accept") if verdict == ACCEPTED else tr("Reject")
        if all(review.verdict == verdict for review in before.values()):
            verdict = UNREVIEWED
        after = {key: Review(verdict, review.note) for key, review in before.items()}
        self.stack.push(ReviewCommand(words, before, after, self._apply))

    def annotate(self, key: HitKey, note: str) -> None:
        """Writes a note on a hit; an empty one takes it away."""
        before = self._model.review(key)
        if note != before.note:
            after = Review(before.verdict, note)
            self.stack.push(ReviewCommand(tr("Note"), {key: before}, {key: after}, self._apply))

    def keep(self, reviews: Mapping[HitKey, Review]) -> bool:
        """Puts reviews into the file; whether it could."""
        if self._layers is None:
            return False
        try:
            self._layers.write_reviews(dict(reviews))
        except MpsClipError as error:
            self.failed.emit(error)
            return False
        return True

    def _apply(self, reviews: Mapping[HitKey, Review]) -> bool:
        if not self.keep(reviews):
            return False
        for key, review in reviews.items():
            self._model.set_review(key, review)
        return True
