"""Answers of searches that are larger than a frame."""

from __future__ import annotations

from engine.server.framing import MAX_FRAME, FrameTooLargeError, encode
from engine.types import Json

_ENVELOPE = 4096
"""Bytes for what is around an answer in its frame, of which the id is the client's."""


def fitting(answer: Json, limit: int = MAX_FRAME) -> Json:
    """The answer to ``search`` or ``batch`` if a frame can hold it, else the same without hits, which its file holds.

    Args:
        answer: a report, or ``results`` with one for each query; all have ``hits``.
        limit: longest body of a frame, bytes.

    Returns:
        Each report with ``hits_left_out``: whether its hits are missing here.
    """
    whole = _with_reports(answer, left_out=False)
    try:
        encode(whole, limit - _ENVELOPE)
    except FrameTooLargeError:
        return _with_reports(answer, left_out=True)
    return whole


def _with_reports(answer: Json, left_out: bool) -> Json:
    if "results" in answer:
        return {**answer, "results": [_with_reports(report, left_out) for report in answer["results"]]}
    return {**answer, "hits_left_out": left_out, "hits": [] if left_out else answer["hits"]}
