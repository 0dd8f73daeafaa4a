"""Reviews that can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

from qgis_mpsclip.results.hits import HitKey
from qgis_mpsclip.results.review import Review

try:
    from qgis.PyQt.QtGui import QUndoCommand, QUndoStack
except ImportError:  # Qt 5 has them among its widgets
    from qgis.PyQt.QtWidgets import QUndoCommand, QUndoStack

__all__ = ["QUndoStack", "ReviewCommand"]

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
