"""Words of a query that the model was not taught, and what it took them for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qgis_mpsclip.i18n import tr


def read_as_texts(report: Mapping[str, Any]) -> list[str]:
    """A short statement for each such word of a search's report (docs/protocol.md)."""
    said = report.get("words_read_as") or {}
    return [tr("“{word}” read as {known}").format(word=word, known=", ".join(known)) for word, known in said.items()]
