"""What is being done, how much of it, how fast, and how long it will take."""

from __future__ import annotations

import math
from typing import Any

from qgis.PyQt.QtCore import QLocale
from qgis.PyQt.QtWidgets import QLabel, QProgressBar, QVBoxLayout, QWidget

from qgis_mpsclip.durations import duration
from qgis_mpsclip.i18n import tr

_STEPS = 1000


class ProgressRow(QWidget):
    """A bar over a line of text; hidden while nothing runs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bar = QProgressBar()
        self.bar.setObjectName("progress")
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(self.fontMetrics().height() // 2)
        self.label = QLabel()
        self.label.setObjectName("progress_text")
        self.label.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(column.spacing() // 2)
        column.addWidget(self.bar)
        column.addWidget(self.label)
        self.hide()

    def show_text(self, text: str, percent: float | None = None) -> None:
        """A step without numbers of its own; ``percent`` None: nobody knows how far it is."""
        self.label.setText(text)
        if percent is None:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, _STEPS)
            self.bar.setValue(round(percent / 100 * _STEPS))
        self.show()

    def show_progress(self, params: dict[str, Any]) -> None:
        """A notification ``progress`` of the engine."""
        done, total = params.get("done") or 0, params.get("total") or 0
        self.show_text(progress_text(params), 100 * done / total if total else None)

    def clear(self) -> None:
        self.hide()
        self.label.clear()


def progress_text(params: dict[str, Any]) -> str:
    """``Reading tiles: 120 of 3,400 · 85 tiles/s · 40 s left``, as far as the numbers are known."""
    stage, done, total = params.get("stage"), params.get("done") or 0, params.get("total") or 0
    locale = QLocale()
    if stage == "download":
        counted = (locale.formattedDataSize(int(done)), locale.formattedDataSize(int(total)))
    else:
        counted = (locale.toString(int(done)), locale.toString(int(total)))
    what = {
        "load": tr("Loading the model"),
        "download": tr("Downloading the model"),
        "index": tr("Looking at tiles"),
        "rank": tr("Comparing with your words"),
        "refine": tr("Outlining hits"),
        "write": tr("Writing the result"),
    }.get(str(stage), tr("Working"))
    parts = [what]
    if total and stage in ("download", "index", "refine"):
        parts = [tr("{what}: {done} of {total}").format(what=what, done=counted[0], total=counted[1])]
    rate, remaining = params.get("rate"), params.get("remaining")
    if rate and stage == "index":
        parts.append(tr("{rate} tiles/s").format(rate=locale.toString(float(rate), "f", 0 if rate >= 10 else 1)))
    if remaining is not None and math.isfinite(remaining) and done < total:
        parts.append(tr("{time} left").format(time=duration(remaining)))
    return " · ".join(parts)
