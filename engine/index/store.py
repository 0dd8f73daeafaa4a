"""The embeddings of one raster's tiles in a Lance table (Pace et al. 2025, arXiv 2504.15247)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import lancedb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import IndexStoreError
from engine.types import BoolArray, Float32Array, IntArray

TABLE = "tiles"
READ_ROWS = 16_384

Score = Callable[[Float32Array], Float32Array]
Read = TypeVar("Read")


class TileStore:
    """Rows of ``tile`` (number in the grid), ``valid`` (fraction) and ``embedding`` (float16, null: tile left out).

    Opening reads the tile numbers, so a table whose files are missing or cut short is noticed then. ``done`` are the
    numbers of the tiles that were committed by then or through this object, ascending.

    Args:
        folder: holds the table.
        embed_dim: width of an embedding.
        create: make an empty table; only for who holds the index's lock.

    Raises:
        IndexStoreError: there is no table, it is damaged, or the folder cannot be read or written.
    """

    def __init__(self, folder: Path, embed_dim: int, create: bool = False) -> None:
        self.folder = folder
        self._schema = pa.schema(
            [
                pa.field("tile", pa.int64(), nullable=False),
                pa.field("valid", pa.float32(), nullable=False),
                pa.field("embedding", pa.list_(pa.float16(), embed_dim)),
            ]
        )
        with self._errors("opened"):
            database = lancedb.connect(folder)
            self._table = database.create_table(TABLE, schema=self._schema) if create else database.open_table(TABLE)
            if self._table.schema.field("embedding").type != self._schema.field("embedding").type:
                raise ValueError(f"embeddings are {self._table.schema.field('embedding').type}")
            self.done = self._read_done()

    def append(self, tiles: Sequence[int], valid: Float32Array, embeddings: Float32Array) -> None:
        """Commit rows in one transaction.

        Args:
            tiles: numbers of the tiles, T of them.
            valid: fractions ``(T,)``.
            embeddings: ``(T, E)``; a row of NaN stands for a tile that was left out.
        """
        left_out = np.isnan(embeddings).any(axis=1)
        values = pa.array(embeddings.astype(np.float16).reshape(-1))
        column = pa.FixedSizeListArray.from_arrays(values, embeddings.shape[1], mask=pa.array(left_out))
        rows = pa.table(
            {"tile": pa.array(tiles, pa.int64()), "valid": pa.array(valid, pa.float32()), "embedding": column},
            schema=self._schema,
        )
        with self._errors("written"):
            self._table.add(rows)
        self.done = np.union1d(self.done, np.asarray(tiles, dtype=np.int64))

    def score(self, score: Score, wanted: IntArray | None = None) -> tuple[IntArray, Float32Array]:
        """Apply ``score``, from embeddings ``(B, E)`` to values ``(B,)``, to all tiles, a part at a time.

        Returns tile numbers, ascending, and their values; tiles that were left out are not among them.

        Args:
            wanted: numbers of the tiles to look at, ascending; None: all.

        Raises:
            IndexStoreError: the table is damaged.
        """
        return self._newest(lambda: self._score(score, wanted))

    def _score(self, score: Score, wanted: IntArray | None) -> tuple[IntArray, Float32Array]:
        numbers: list[IntArray] = [np.empty(0, np.int64)]
        values: list[Float32Array] = [np.empty(0, np.float32)]
        for tiles, embeddings, present in self._parts():
            if wanted is not None:
                present &= np.isin(tiles, wanted)
            numbers.append(tiles[present])
            values.append(score(embeddings[present]))
        # Were a tile ever committed twice, it would be found once.
        tiles, first = np.unique(np.concatenate(numbers), return_index=True)
        return tiles, np.concatenate(values)[first]

    def embeddings(self, tiles: Sequence[int]) -> Float32Array:
        """Embeddings ``(B, E)`` of the given tiles, in their order.

        Raises:
            IndexStoreError: one of them has none.
        """
        if not tiles:
            return np.empty((0, self._schema.field("embedding").type.list_size), np.float32)
        return self._newest(lambda: self._embeddings(tiles))

    def _embeddings(self, tiles: Sequence[int]) -> Float32Array:
        wanted = ", ".join(str(int(tile)) for tile in tiles)
        with self._errors("read"):
            query = self._table.search().where(f"tile IN ({wanted}) AND embedding IS NOT NULL")
            rows = query.select(["tile", "embedding"]).limit(2 * len(tiles)).to_arrow().combine_chunks()
            numbers = rows.column("tile").to_numpy()
            found = dict(zip(numbers.tolist(), _matrix(rows.column("embedding").combine_chunks()), strict=True))
            return np.stack([found[int(tile)] for tile in tiles])

    def count_left_out(self, wanted: IntArray | None = None) -> int:
        """Tiles with too few valid pixels, of the wanted ones; None: of all."""
        return self._newest(lambda: self._count_left_out(wanted))

    def _count_left_out(self, wanted: IntArray | None) -> int:
        with self._errors("read"):
            rows = self._table.search().where("embedding IS NULL").select(["tile"]).limit(None).to_arrow()
        tiles = np.unique(rows.column("tile").to_numpy())
        return len(tiles) if wanted is None else int(np.isin(tiles, wanted).sum())

    @property
    def fragments(self) -> int:
        """How many pieces the table is in; a read opens each of them."""
        with self._errors("read"):
            statistics: Any = self._table.stats()  # a dictionary, whatever its annotation says
            return int(statistics["fragment_stats"]["num_fragments"])

    def compact(self) -> None:
        """Merge the fragments of single commits and drop older versions; only for who holds the index's lock.

        Who is reading an older version meanwhile reads again from the newest, which has all of its rows.
        """
        with self._errors("written"), warnings.catch_warnings():
            # The warning is of readers of older versions; the caller holds the lock.
            warnings.simplefilter("ignore", UserWarning)
            self._table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)

    def _newest(self, read: Callable[[], Read]) -> Read:
        """What ``read`` returns; once more from the newest version where the one it reads has been compacted away."""
        try:
            return read()
        except IndexStoreError:
            with self._errors("read"):
                self._table.checkout_latest()  # type: ignore[no-untyped-call]
            return read()

    def _read_done(self) -> IntArray:
        rows = self._table.search().select(["tile"]).limit(None).to_arrow()
        done: IntArray = np.unique(rows.column("tile").to_numpy())
        return done

    def _parts(self) -> Iterator[tuple[IntArray, Float32Array, BoolArray]]:
        with self._errors("read"):
            query = self._table.search().select(["tile", "embedding"]).limit(None)
            for batch in query.to_batches(READ_ROWS):
                column = batch.column("embedding")
                present = column.is_valid().to_numpy(zero_copy_only=False)
                yield batch.column("tile").to_numpy(), _matrix(column), present

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        # lancedb raises RuntimeError, ValueError, KeyError or OSError for the same kinds of damage.
        try:
            yield
        except (RuntimeError, ValueError, KeyError, OSError, pa.ArrowException) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise IndexStoreError(
                f"The index in {self.folder} cannot be {doing}: {first}.",
                "Check free space and permissions; a damaged index can be removed, on the command line with:"
                f" mpsclip index rm {self.folder.name[:12]}",
                path=str(self.folder),
            ) from error


def _matrix(column: Any) -> Float32Array:
    """Fixed-size lists as ``(B, E)``; rows that are null hold anything."""
    width = column.type.list_size
    start = column.offset * width
    values: npt.NDArray[np.float16] = column.values.to_numpy(zero_copy_only=False)[start : start + len(column) * width]
    return values.reshape(-1, width).astype(np.float32)
