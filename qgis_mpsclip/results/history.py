"""Earlier searches of a project, kept in the project file."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from qgis.core import QgsGeometry, QgsPathResolver, QgsProject
from qgis.PyQt.QtCore import QDateTime, QLocale, QObject, Qt, pyqtSignal, pyqtSlot

from qgis_mpsclip.results.request import SearchRequest

SCOPE = "mpsclip"
KEY = "/searches"
MOST = 50
LONGEST_AREA = 100_000
"""Letters of WKT: a list of searches must not outweigh the rest of the project."""
LEFT_OUT = ("keywords", "out", "overwrite")
"""The settings of a service may hold a key or a password and are read anew, as is the place of the file."""


@dataclass(frozen=True)
class EarlierSearch:
    """A search whose results are in a file.

    Attributes:
        path: its GeoPackage.
        when: start of local time, ISO 8601.
        hits: how many there are.
        params: what was sent to the engine, without LEFT_OUT; very detailed areas are simplified.
        layers, rendered: as in :class:`SearchRequest`.
    """

    query: str
    title: str
    path: Path
    when: str
    hits: int
    params: dict[str, Any] = field(default_factory=dict)
    layers: dict[str, str] = field(default_factory=dict)
    rendered: dict[str, float | None] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def of(cls, search: SearchRequest, path: Path, hits: int) -> EarlierSearch:
        """A search that has just ended."""
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        params = _for_project(search.params)
        return cls(search.query, search.name, path, now, hits, params, dict(search.layers), dict(search.rendered))

    def request(self) -> SearchRequest:
        return SearchRequest(self.query, {**self.params, "out": str(self.path)}, self.layers, self.title, self.rendered)

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
        self._file = project.fileName()
        project.fileNameChanged.connect(self._file_changed)  # which QGIS's window sets before it saves
        project.writeProject.connect(self._file_changed)  # a script's way of saving under another name sends this alone
        project.readProject.connect(self._project_changed)
        project.cleared.connect(self._project_changed)

    def entries(self) -> list[EarlierSearch]:
        """What of the project's entry can be read."""
        return self._entries(self._project.readPath)

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

    def _entries(self, read_path: Callable[[str], str]) -> list[EarlierSearch]:
        text, _ = self._project.readEntry(SCOPE, KEY, "[]")
        try:
            stored = json.loads(text)
        except ValueError:
            return []
        items = [item for item in stored if isinstance(item, dict)] if isinstance(stored, list) else []
        return [entry for entry in (_read(item, read_path) for item in items) if entry is not None]

    @pyqtSlot()
    def _file_changed(self) -> None:
        """Saved under another name, perhaps in another folder: what was relative to the old one is so to the new."""
        before, self._file = self._file, self._project.fileName()
        entries = self._entries(QgsPathResolver(before).readPath) if before != self._file and self._file else []
        if entries:
            self._write(entries)

    @pyqtSlot()
    def _project_changed(self) -> None:
        self._file = self._project.fileName()
        self.changed.emit()


def _read(item: dict[str, Any], read_path: Callable[[str], str]) -> EarlierSearch | None:
    """An entry as it is stored; None where it cannot be read."""
    try:
        return EarlierSearch(
            query=str(item["query"]),
            title=str(item["title"]),
            path=Path(read_path(str(item["path"]))),
            when=str(item["when"]),
            hits=int(item["hits"]),
            params=dict(item["params"]),
            layers={str(raster): str(layer) for raster, layer in dict(item["layers"]).items()},
            rendered={str(raster): size and float(size) for raster, size in dict(item.get("rendered", {})).items()},
            id=str(item["id"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _for_project(params: dict[str, Any]) -> dict[str, Any]:
    """A copy for the project file, which people hand on."""
    kept = {name: value for name, value in params.items() if name not in LEFT_OUT}
    options = kept.get("options") or {}
    area = options.get("area")
    if area and len(area["wkt"]) > LONGEST_AREA:
        kept["options"] = {**options, "area": {**area, "wkt": _simplified(area["wkt"])}}
    return kept


def _simplified(wkt: str) -> str:
    """An area of at most LONGEST_AREA letters: coarser outlines, or in the end the hull of all its parts."""
    area = QgsGeometry.fromWkt(wkt)
    frame = area.boundingBox()
    longest = max(frame.width(), frame.height())
    for part in (10_000, 3_000, 1_000):
        simple = area.simplify(longest / part).makeValid().asWkt(9)
        if len(simple) <= LONGEST_AREA:
            return simple
    return area.convexHull().simplify(longest / 1_000).asWkt(9)
