"""Whom a running search tells, and whom it asks whether to go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.errors import Cancelled
from engine.search.context import SearchContext
from engine.search.hits import Hit
from engine.types import CancelCheck, ProgressSink, no_progress


def nothing(_: object, /) -> None:
    """Takes what nobody wants."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """All are called in the thread of the search.

    Attributes:
        progress: receives the stages ``"index"`` (tiles), ``"rank"`` (rasters) and ``"refine"`` (hits).
        cancel: asked between batches of tiles, between hits, and between the layers of the networks that look at them.
        on_context: receives, once and before any hit, what places hits on the map.
        on_shortlist: receives all hits before any is refined, best first.
        on_hit: receives each hit as it is refined, still with its rank of the shortlist.
    """

    progress: ProgressSink = no_progress
    cancel: CancelCheck | None = None
    on_context: Callable[[SearchContext], None] = nothing
    on_shortlist: Callable[[Sequence[Hit]], None] = nothing
    on_hit: Callable[[Hit], None] = nothing

    def check(self) -> None:
        """Raises Cancelled when ``cancel`` says so."""
        if self.cancel is not None and self.cancel():
            raise Cancelled
