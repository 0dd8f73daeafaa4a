"""What a handler gets to do its work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.config import SegmenterName
from engine.errors import Cancelled
from engine.types import CancelCheck, Json, ProgressSink

if TYPE_CHECKING:
    from engine.models.contract import RetrievalModel
    from engine.segment.contract import Segmenter


class Models(Protocol):
    """Models that stay loaded from one request to the next."""

    @property
    def loaded(self) -> list[str]:
        """Their ids, the one used last first."""

    def model(self, name: str | None, device: str | None, progress: ProgressSink) -> RetrievalModel:
        """The model of that name, None for the default one; loaded if it is not yet."""

    def segmenter(self, name: SegmenterName, model: RetrievalModel, weights: Path | None) -> Segmenter | None:
        """The segmenter of that name for a model of these."""


@dataclass(frozen=True, slots=True)
class Work:
    """One request under way.

    Attributes:
        progress: raises Cancelled where the request is cancelled.
        cancelled: for those who rather ask.
        tell: sends ``shortlist`` and ``hit`` with their parameters, to which the request's id is added.
        models: that are loaded.
        cache: the cache folder; None: the default one.
    """

    progress: ProgressSink
    cancelled: CancelCheck
    tell: Callable[[str, Json], None]
    models: Models
    cache: Path | None

    def check(self) -> None:
        """Raises Cancelled where the request is cancelled."""
        if self.cancelled():
            raise Cancelled


Handler = Callable[[Json, Work], Json]
