"""Earlier searches of a project, kept in the project file."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from qgis.core import QgsProject
from qgis.PyQt.QtCore import QDateTime, QLocale, QObject, Qt, pyqtSignal, pyqtSlot

from qgis_mpsclip.results.request import SearchRequest

SCOPE = "mpsclip"
KEY = "/searches"
MOST = 50
SECRETS = ("llm_api_key",)


@dataclass(frozen=True)
class EarlierSearch:
    """A search whose results are in a file.

    Attributes:
        path: its GeoPackage.
        when: start of local time, ISO 8601.
        hits: how many there are.
        params: what was sent to the engine, without secrets.
        layers: as in :class:`SearchRequest`.
    """

    query: str
    title: str
    path: Path
    when: str
    hits: int
    params: dict[str, Any] = field(default_factory=dict)
    layers: dict[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def of(cls, search: SearchRequest, path: Path, hits: int) -> EarlierSearch:
        """A search that has just ended."""
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        return cls(search.query, search.name, path, now, hits, _without_secrets(search.params), dict(search.layers))

    def request(self) -> SearchRequest:
        return SearchRequest(self.query, {**self.params, "out": str(self.path)}, self.layers, self.title)

    def when_text(self) -> str:
        """Date and time as the user writes them; empty where unknown."""
        when = QDateTime.fromString(self.when, Qt.DateFormat.ISODate)
        return QLocale().toString(when.toLocalTime(), QLocale.FormatType.ShortFormat) if when.isValid() else ""


class SearchHistory(QObject):
    """The earlier searches of a project, the newest first; follows the project when it is closed or read.

    Signals:
        changed(): there are others now.
    """

    changed = pyqtSignal()

    def __init__(self, project: QgsProject, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project = project
        project.readProject.connect(self._project_changed)
        project.cleared.connect(self._project_changed)

    def entries(self) -> list[EarlierSearch]:
        """What of the project's entry can be read."""
        text, _ = self._project.readEntry(SCOPE, KEY, "[]")
        try:
            stored = json.loads(text)
        except ValueError:
            return []
        found = (self._read(item) for item in stored if isinstance(item, dict)) if isinstance(stored, list) else ()
        return [entry for entry in found if entry is not None]

    def add(self, entry: EarlierSearch) -> None:
        self._write([entry, *self.entries()][:MOST])

    def remove(self, entry: EarlierSearch) -> None:
        """Takes it from the list; its file stays."""
        self._write([other for other in self.entries() if other.id != entry.id])

    def _write(self, entries: list[EarlierSearch]) -> None:
        # Paths go the way of the layers': relative where the project keeps them so.
        stored = [{**asdict(entry), "path": self._project.writePath(str(entry.path))} for entry in entries]
        self._project.writeEntry(SCOPE, KEY, json.dumps(stored, ensure_ascii=False))
        self.changed.emit()

    def _read(self, item: dict[str, Any]) -> EarlierSearch | None:
        try:
            return EarlierSearch(
                query=str(item["query"]),
                title=str(item["title"]),
                path=Path(self._project.readPath(str(item["path"]))),
                when=str(item["when"]),
                hits=int(item["hits"]),
                params=dict(item["params"]),
                layers={str(raster): str(layer) for raster, layer in dict(item["layers"]).items()},
                id=str(item["id"]),
            )
        except (KeyError, TypeError, ValueError):
            return None

    @pyqtSlot()
    def _project_changed(self) -> None:
        self.changed.emit()


def _without_secrets(params: dict[str, Any]) -> dict[str, Any]:
    """A copy for the project file, which people hand on: no key of a service in it, nor the old result's path."""
    kept: dict[str, Any] = {}
    for name, value in params.items():
        if name in (*SECRETS, "out", "overwrite"):
            continue
        kept[name] = _without_secrets(value) if isinstance(value, dict) else value
    return kept
