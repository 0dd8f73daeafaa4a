"""The folder of all indexes: one subfolder an index, listed and removed from here."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.config import cache_folder
from engine.errors import IndexStoreError, RasterError, UsageError
from engine.index.spec import IndexRecord, IndexSpec
from engine.index.store import TileStore
from engine.raster.gdal import canonical_path, is_uri
from engine.raster.source import RasterSource

RECORD = "index.json"
LOCK = "lock"
COMPLETE = "complete"
_KEY_CHARACTERS = 32  # half of a sha256: Windows allows 260 characters for the whole path


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One index on disk.

    Attributes:
        name: its folder's name, by which it can be removed.
        record: what it is an index of; None where that is damaged or of another version.
        done: tiles committed; None where the table is damaged.
        bytes: size on disk.
        modified: time of the last commit, seconds since 1970.
        stale: why no search will use it again; None where one would.
    """

    name: str
    path: Path
    record: IndexRecord | None
    done: int | None
    bytes: int
    modified: float
    stale: str | None


class IndexFolder:
    """All indexes of one user.

    Args:
        cache: the cache folder; None: as :func:`engine.config.cache_folder` finds it.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self.path = cache_folder(cache) / "index"

    def place(self, spec: IndexSpec) -> Path:
        """The folder of an index, which need not exist."""
        return self.path / spec.key[:_KEY_CHARACTERS]

    def create(self, spec: IndexSpec) -> Path:
        """The folder of an index and its lock file, made if need be.

        Raises:
            IndexStoreError: they cannot be made.
        """
        place = self.place(spec)
        try:
            place.mkdir(parents=True, exist_ok=True)
            (place / LOCK).touch()
        except OSError as error:
            raise IndexStoreError(
                f"The index folder {place} cannot be made: {error.strerror}.",
                "Choose another cache folder (--cache on the command line, or the environment variable MPSCLIP_CACHE).",
                path=str(place),
            ) from error
        return place

    def entries(self) -> list[IndexEntry]:
        """All indexes, by raster and time."""
        if not self.path.is_dir():
            return []
        found = [_entry(place) for place in self.path.iterdir() if place.is_dir()]
        return sorted(found, key=lambda entry: (entry.record.raster if entry.record else "", entry.modified))

    def find(self, name: str) -> IndexEntry:
        """The index whose name begins with ``name``.

        Raises:
            UsageError: there is none, or there are several.
        """
        matching = [entry for entry in self.entries() if entry.name.startswith(name.lower())] if name else []
        if len(matching) != 1:
            problem = "no index" if not matching else f"{len(matching)} indexes"
            raise UsageError(
                f"There {'are' if len(matching) > 1 else 'is'} {problem} whose key begins with {name!r}.",
                "See the keys with: mpsclip index list",
                key=name,
            )
        return matching[0]

    def of_raster(self, path: str) -> list[IndexEntry]:
        """All indexes of a raster, which need not exist any more."""
        wanted = canonical_path(path)
        return [entry for entry in self.entries() if entry.record and entry.record.raster == wanted]

    def remove(self, entry: IndexEntry) -> None:
        """Delete an index.

        Raises:
            IndexStoreError: its files cannot be deleted.
        """
        try:
            shutil.rmtree(entry.path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise IndexStoreError(
                f"The index {entry.path} cannot be removed: {error.strerror}.",
                "Close other programs that use it and check the folder's permissions.",
                path=str(entry.path),
            ) from error

    def free_bytes(self) -> int:
        """Free space of the disk on which the indexes lie."""
        place = self.path
        while not place.exists():
            place = place.parent
        return shutil.disk_usage(place).free


def read_record(place: Path) -> IndexRecord | None:
    """What an index is of; None where it says nothing yet, or nothing that can be understood."""
    try:
        return IndexRecord.from_json(json.loads((place / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(place: Path, record: IndexRecord) -> None:
    """Write it whole or not at all."""
    temporary = place / f"{RECORD}.{os.getpid()}"
    try:
        temporary.write_text(json.dumps(record.to_json(), indent=1) + "\n", encoding="utf-8")
        temporary.replace(place / RECORD)
    except OSError as error:
        raise IndexStoreError(
            f"The index folder {place} cannot be written: {error.strerror}.",
            "Check free space and permissions, or choose another cache folder (--cache on the command line).",
            path=str(place),
        ) from error


def _entry(place: Path) -> IndexEntry:
    record = read_record(place)
    stats = list(_file_stats(place))
    return IndexEntry(
        name=place.name,
        path=place,
        record=record,
        done=_count_done(place, record),
        bytes=sum(found.st_size for found in stats),
        modified=max((found.st_mtime for found in stats), default=place.stat().st_mtime),
        stale=_why_stale(record),
    )


def _file_stats(place: Path) -> Iterator[os.stat_result]:
    for file in place.rglob("*"):
        try:
            found = file.stat()
        except FileNotFoundError:
            continue  # a search that runs meanwhile has compacted its table
        if stat.S_ISREG(found.st_mode):
            yield found


def _count_done(place: Path, record: IndexRecord | None) -> int | None:
    if record is None:
        return None
    try:
        return len(TileStore(place, record.embed_dim).done)
    except IndexStoreError:
        return None


def _why_stale(record: IndexRecord | None) -> str | None:
    if record is None:
        return "damaged, or of another version"
    if is_uri(record.raster):
        return None  # asking a server takes long, and it may be away for a moment
    if not Path(record.raster).exists():
        return "raster is gone"
    try:
        with RasterSource.open(record.raster) as source:
            return None if source.identity().key == record.raster_key else "raster has changed"
    except RasterError:
        return "raster cannot be read"
