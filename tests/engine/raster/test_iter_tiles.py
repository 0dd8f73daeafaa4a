import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from engine.errors import Cancelled, RasterError
from engine.raster.grid import Grid
from engine.raster.read import TileImage, TileReader, iter_tiles
from engine.types import Tile
from tests.support.rasters import texture, write_raster

GRID = Grid(256, 256, 64, 0.5)  # 49 tiles


@pytest.fixture
def reader(tmp_path) -> Iterator[TileReader]:
    path = write_raster(tmp_path / "r.tif", texture(256), photometric="RGB")
    with TileReader(path, None, None, 32) as reader:
        yield reader


def reading_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("tiles")]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("prefetch", [0, 2])
def test_batches_hold_every_tile_in_order(reader, workers: int, prefetch: int) -> None:
    batches = list(iter_tiles(reader, GRID, 16, prefetch=prefetch, workers=workers))
    assert [len(tiles) for tiles, _, _ in batches] == [16, 16, 16, 1]
    assert [tile for tiles, _, _ in batches for tile in tiles] == list(GRID)
    for tiles, images, valid in batches:
        assert (images.dtype, images.shape) == (np.uint8, (len(tiles), 32, 32, 3))
        assert (valid.dtype, valid.tolist()) == (np.float32, [1.0] * len(tiles))
        assert all(np.array_equal(image, reader.read(tile).rgb) for tile, image in zip(tiles, images, strict=True))
    assert reading_threads() == []


def test_tiles_without_enough_data_are_left_out_and_batches_filled(tmp_path) -> None:
    mask = np.ones((256, 256), bool)
    mask[:, :160] = False  # of columns 0, 64, 128, 192 the third is half empty
    path = write_raster(tmp_path / "r.tif", texture(256), photometric="RGB", mask=mask)
    grid = Grid(256, 256, 64, 0.0)
    for min_valid, columns in ((0.5, {2, 3}), (0.51, {3}), (0.0, {0, 1, 2, 3})):
        with TileReader(path, None, None, 32, min_valid) as reader:
            batches = list(iter_tiles(reader, grid, 4))
        assert {tile.col for tiles, _, _ in batches for tile in tiles} == columns
        assert {len(tiles) for tiles, _, _ in batches} == {4}


def test_no_tiles_no_batches(reader) -> None:
    assert list(iter_tiles(reader, [], 4)) == []


def test_reading_runs_ahead_while_the_caller_works_but_not_far(reader, monkeypatch) -> None:
    read, finished = reader.read, []

    def recorded(tile: Tile) -> TileImage:
        image = read(tile)
        finished.append(tile)
        return image

    monkeypatch.setattr(reader, "read", recorded)
    batches = iter_tiles(reader, GRID, 4, prefetch=2)
    tiles, _, _ = next(batches)
    deadline = time.monotonic() + 10
    while len(finished) < 4 + 2 * 4 and time.monotonic() < deadline:
        time.sleep(0.01)  # the caller is busy with its batch
    time.sleep(0.05)
    assert finished == list(GRID)[: 4 + 2 * 4]
    assert tiles == finished[:4]
    batches.close()


def test_tiles_are_taken_as_reading_proceeds(reader) -> None:
    taken = []

    def endless() -> Iterator[Tile]:
        while True:
            taken.append(GRID[0])
            yield GRID[0]

    batches = iter_tiles(reader, endless(), 4, prefetch=2)
    next(batches)
    batches.close()
    assert len(taken) == 4 + 2 * 4


def test_closing_the_generator_ends_the_threads(reader) -> None:
    batches = iter_tiles(reader, GRID, 4, workers=2)
    next(batches)
    batches.close()
    assert reading_threads() == []


def test_cancel_raises_at_once_and_ends_the_threads(reader) -> None:
    cancelled = threading.Event()
    batches = iter_tiles(reader, GRID, 4, cancel=cancelled.is_set)
    next(batches)
    cancelled.set()
    start = time.monotonic()
    with pytest.raises(Cancelled):
        next(batches)
    assert time.monotonic() - start < 1.0
    assert reading_threads() == []


def test_errors_reach_the_caller_and_end_the_threads(tmp_path) -> None:
    path = write_raster(tmp_path / "r.tif", texture(512), compress="deflate", tiled=True, photometric="RGB")
    path.write_bytes(path.read_bytes()[:300_000])
    with TileReader(path, None, None, 64) as reader, pytest.raises(RasterError, match="damaged or incomplete"):
        list(iter_tiles(reader, Grid(512, 512, 64, 0.0), 4))
    assert reading_threads() == []


def test_handles_do_not_pile_up_over_many_runs(reader) -> None:
    for _ in range(5):
        assert len(list(iter_tiles(reader, GRID, 49, workers=2))) == 1
    assert len(reader._handles) == 0
