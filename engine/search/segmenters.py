"""From the name of a segmenter to one that is ready."""

from __future__ import annotations

from engine.config import SegmenterName
from engine.models.contract import RetrievalModel
from engine.segment.contract import Segmenter


def make_segmenter(name: SegmenterName, model: RetrievalModel) -> Segmenter | None:
    """The segmenter for a model; None for :attr:`SegmenterName.NONE`."""
    if name is SegmenterName.NONE:
        return None
    from engine.segment.relevance import RelevanceSegmenter

    return RelevanceSegmenter(model)
