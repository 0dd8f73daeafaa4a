"""The engine's notifications as what a Processing dialog or ``qgis_process`` shows."""

from __future__ import annotations

import time
from typing import Any

from qgis.core import QgsProcessingFeedback

from qgis_mpsclip.i18n import tr

_TEXT_SECONDS = 5.0  # dialogs keep every text in their log
# From where to where each stage moves the bar, in per cent: of the request's first part, then of every query's.
_BEFORE = {"load": (0.0, 2.0), "download": (0.0, 2.0)}
_RASTERS = (2.0, 60.0)
_QUERIES = (60.0, 95.0)
_PER_QUERY = {"rank": (0.0, 0.1), "refine": (0.1, 1.0)}
_WRITTEN = (95.0, 98.0)


class ProgressReporter:
    """Moves the bar, only forwards, and says what is being done.

    Args:
        rasters: how many the request indexes, one after the other.
        queries: how many it answers then, one after the other.
    """

    def __init__(self, feedback: QgsProcessingFeedback, rasters: int = 1, queries: int = 1) -> None:
        self._feedback = feedback
        self._rasters, self._queries = max(1, rasters), max(1, queries)
        self._indexed: set[str] = set()
        self._query = 0
        self._stage = ""
        self._said = 0.0
        self._percent = 0.0

    def progress(self, params: dict[str, Any]) -> None:
        """Takes a notification ``progress``."""
        stage, done, total = str(params.get("stage")), params.get("done") or 0, params.get("total") or 0
        begun = stage != self._stage
        if begun and stage == "rank":
            self._query += 1
        elif stage == "index":
            # What follows a colon says what the engine waits for.
            self._indexed.add(str(params.get("detail")).partition(":")[0])
        self._stage = stage
        self._percent = max(self._percent, self._position(stage, min(1.0, done / total) if total else 0.0))
        self._feedback.setProgress(self._percent)
        now = time.monotonic()
        if begun or now - self._said >= _TEXT_SECONDS:
            self._said = now
            self._feedback.setProgressText(_text(stage, done, total, params))

    def partial(self, method: str, params: dict[str, Any]) -> None:
        """Takes a partial result."""
        if method == "shortlist":
            self._feedback.pushInfo(tr("{count} places found").format(count=len(params.get("hits", ()))))

    def log(self, level: str, message: str) -> None:
        """Takes what the engine has to say."""
        push = {
            "debug": self._feedback.pushDebugInfo,
            "warning": self._feedback.pushWarning,
            "error": self._feedback.reportError,
        }.get(level, self._feedback.pushInfo)
        push(message)

    def _position(self, stage: str, share: float) -> float:
        if stage in _BEFORE:
            lo, hi = _BEFORE[stage]
        elif stage == "index":
            lo, hi = _part(_RASTERS, len(self._indexed), self._rasters)
        elif stage in _PER_QUERY:
            start, end = _part(_QUERIES, self._query, self._queries)
            lo, hi = (start + (end - start) * part for part in _PER_QUERY[stage])
        else:
            lo, hi = _WRITTEN
        return lo + (hi - lo) * share


def _part(span: tuple[float, float], number: int, count: int) -> tuple[float, float]:
    """The ``number``-th (from 1) of ``count`` equal parts."""
    step = (span[1] - span[0]) / count
    start = span[0] + step * (min(max(number, 1), count) - 1)
    return start, start + step


def _text(stage: str, done: float, total: float, params: dict[str, Any]) -> str:
    names = {
        "load": tr("Loading the model"),
        "download": tr("Downloading the model"),
        "index": tr("Encoding tiles"),
        "rank": tr("Ranking tiles"),
        "refine": tr("Outlining hits"),
        "write": tr("Writing results"),
    }
    parts = [names.get(stage, stage)]
    if total:
        parts.append(tr("{done} of {total}").format(done=f"{done:g}", total=f"{total:g}"))
    if params.get("rate"):
        parts.append(tr("{rate} a second").format(rate=f"{params['rate']:.1f}"))
    if params.get("remaining") is not None and total:
        parts.append(tr("{seconds} s left").format(seconds=f"{params['remaining']:.0f}"))
    if params.get("detail"):
        parts.append(str(params["detail"]))
    return ", ".join(parts)
