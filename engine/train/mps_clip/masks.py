"""The subimage cache: what a segmenter outlined for each (picture, keyword), computed once and kept in one SQLite file.

A mask is kept as packed bits, compressed: a few hundred bytes for 224 x 224 px. Pictures are known by their content and
segmenters by their identity, so that neither a changed picture nor another segmenter meets a stale mask. Every commit
holds some pictures whole; a run that was stopped goes on from there.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from engine.errors import EngineError, UsageError
from engine.segment.contract import Segment, Segmenter
from engine.text.contract import KeywordExtractor
from engine.types import BoolArray, Progress, ProgressSink, UInt8Array, no_progress

PICTURES_PER_COMMIT = 16
_LEVEL = 9  # of zlib
_WAIT_SECONDS = 60.0  # for another process that writes
_SCHEMA = """
CREATE TABLE IF NOT EXISTS segmenters (number INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS masks (
    segmenter INTEGER NOT NULL REFERENCES segmenters (number),
    picture TEXT NOT NULL,
    keyword TEXT NOT NULL,
    height INTEGER, width INTEGER, score REAL, bits BLOB,  -- all NULL where the keyword was not found
    PRIMARY KEY (segmenter, picture, keyword)
) WITHOUT ROWID;
"""


def content_key(path: Path) -> str:
    """What a picture is known by: a hash of its file (BLAKE2b, 128 bits, hex).

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}.", "Mend the data folder.", path=str(path)
        ) from error


class MaskCache:
    """Masks of one segmenter; several processes may use the file at a time, and an object may be sent to another one.

    Args:
        file: made if it is not there.
        identity: of the segmenter and all that its masks depend on.
    """

    def __init__(self, file: Path, identity: str) -> None:
        self.file, self.identity = file, identity
        self._open: tuple[int, sqlite3.Connection, int] | None = None

    def __getstate__(self) -> tuple[Path, str]:
        return self.file, self.identity

    def __setstate__(self, state: tuple[Path, str]) -> None:
        self.file, self.identity = state
        self._open = None

    def known(self, picture: str) -> set[str]:
        """The keywords that were looked for on a picture, found or not."""
        with self._connection() as (connection, number):
            rows = connection.execute(
                "SELECT keyword FROM masks WHERE segmenter = ? AND picture = ?", (number, picture)
            ).fetchall()
        return {keyword for (keyword,) in rows}

    def read(self, picture: str, keywords: Iterable[str], most: int | None = None) -> list[BoolArray]:
        """The first ``most`` masks bool ``(H, W)`` of the keywords that were found, in the order of ``keywords``."""
        with self._connection() as (connection, number):
            rows = connection.execute(
                "SELECT keyword, height, width, bits FROM masks WHERE segmenter = ? AND picture = ?", (number, picture)
            ).fetchall()
        found = {keyword: (bits, height, width) for keyword, height, width, bits in rows if bits is not None}
        return [unpacked(*found[keyword]) for keyword in keywords if keyword in found][:most]

    def write(self, pictures: Mapping[str, tuple[Sequence[str], Sequence[Segment]]]) -> None:
        """Keeps, in one commit, what was looked for on each picture and what was found."""
        with self._connection() as (connection, number), connection:
            for picture, (keywords, segments) in pictures.items():
                found = {segment.keyword: segment for segment in segments}
                connection.executemany(
                    "INSERT OR REPLACE INTO masks VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [(number, picture, keyword, *_columns(found.get(keyword))) for keyword in keywords],
                )

    def close(self) -> None:
        """Closes the file; it opens again when it is needed."""
        if self._open is not None and self._open[0] == os.getpid():
            self._open[1].close()
        self._open = None

    @contextmanager
    def _connection(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        try:
            # A connection must not cross a fork, which is how loader processes come to be.
            if self._open is None or self._open[0] != os.getpid():
                self._open = (os.getpid(), *self._opened())
            yield self._open[1:]
        except sqlite3.Error as error:
            raise EngineError(
                f"The cache of masks {self.file} cannot be used: {error}.",
                "Free some space or, if the file is damaged, delete it; it is then made anew.",
                path=str(self.file),
            ) from error

    def _opened(self) -> tuple[sqlite3.Connection, int]:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{self.file.parent} cannot be made: {error.strerror}.", "Choose another folder with --cache."
            ) from error
        connection = sqlite3.connect(self.file, timeout=_WAIT_SECONDS)
        with connection:
            connection.executescript(_SCHEMA)
            connection.execute("INSERT OR IGNORE INTO segmenters (identity) VALUES (?)", (self.identity,))
        (number,) = connection.execute("SELECT number FROM segmenters WHERE identity = ?", (self.identity,)).fetchone()
        return connection, number


def packed(mask: BoolArray) -> bytes:
    """Mask bool ``(H, W)`` to compressed bits, rows first."""
    return zlib.compress(np.packbits(mask).tobytes(), _LEVEL)


def unpacked(bits: bytes, height: int, width: int) -> BoolArray:
    """The inverse of :func:`packed`."""
    flat = np.frombuffer(zlib.decompress(bits), np.uint8)
    return np.unpackbits(flat, count=height * width).view(np.bool_).reshape(height, width)


def _columns(segment: Segment | None) -> tuple[int | None, int | None, float | None, bytes | None]:
    if segment is None:
        return None, None, None, None
    height, width = segment.mask.shape
    return height, width, float(segment.score), packed(segment.mask)


def caption_keywords(captions: Iterable[str], extractor: KeywordExtractor) -> dict[str, tuple[str, ...]]:
    """The keywords of each caption; none for one without words."""
    found: dict[str, tuple[str, ...]] = {}
    for caption in captions:
        if caption not in found:
            try:
                found[caption] = extractor.extract(caption).positives
            except UsageError:
                found[caption] = ()
    return found


def fill(
    cache: MaskCache,
    pictures: Mapping[Path, Sequence[str]],
    read: Callable[[Path], UInt8Array],
    segmenter: Segmenter,
    progress: ProgressSink = no_progress,
) -> int:
    """Outlines what is not in the cache yet; returns for how many pictures it had to.

    Args:
        cache: of ``segmenter``.
        pictures: the keywords of each image file.
        read: an image file to uint8 RGB ``(H, W, 3)``.
        segmenter: what outlines.
        progress: told after each commit; may stop the work.
    """
    computed = 0
    waiting: list[tuple[Path, str, list[str]]] = []
    for number, (path, keywords) in enumerate(pictures.items(), 1):
        key = content_key(path)
        known = cache.known(key)
        missing = [keyword for keyword in dict.fromkeys(keywords) if keyword not in known]
        if missing:
            waiting.append((path, key, missing))
        if len(waiting) == PICTURES_PER_COMMIT or (waiting and number == len(pictures)):
            found = segmenter.segment([read(path) for path, _, _ in waiting], [words for _, _, words in waiting])
            cache.write({key: (words, segments) for (_, key, words), segments in zip(waiting, found, strict=True)})
            computed += len(waiting)
            waiting = []
        progress(Progress("outline", number - len(waiting), len(pictures)))
    return computed
