from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.config import IndexOptions
from engine.errors import Cancelled, IndexStoreError
from engine.index.build import RasterIndex, build_index
from engine.index.folder import IndexFolder
from engine.index.store import TileStore
from engine.raster.source import RasterSource
from engine.types import Float32Array, Progress
from tests.support.colour_model import ColourModel, ground
from tests.support.rasters import texture, write_raster

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = IndexOptions(tile="64px", overlap=0.0, batch_size=4, commit_seconds=0.0)


def build(
    raster: Path,
    folder: IndexFolder,
    model: ColourModel | None = None,
    tiles: Sequence[int] | None = None,
    **kwargs: object,
) -> RasterIndex:
    options = OPTIONS.model_copy(update=kwargs)
    wanted = None if tiles is None else np.array(tiles, np.int64)
    with RasterSource.open(raster) as source:
        return build_index(source, model or ColourModel(), options, folder, tiles=wanted)


def everything(index: RasterIndex) -> tuple[list[int], Float32Array]:
    tiles, first = index.score(lambda rows: rows[:, 0])
    return tiles.tolist(), first


@pytest.fixture
def folder(tmp_path: Path) -> IndexFolder:
    return IndexFolder(tmp_path / "cache")


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    cells = [["moss", "water", "sand"], ["brick", "moss", "snow"]]
    return write_raster(tmp_path / "größe 1.tif", ground(cells), photometric="RGB")


def test_embeddings_are_those_of_the_tiles_in_grid_order(raster: Path, folder: IndexFolder) -> None:
    index = build(raster, folder)
    tiles, moss = everything(index)
    assert tiles == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(moss, [1, 0, 0, 0, 1, 0], atol=1e-3)
    np.testing.assert_allclose(index.store.embeddings([3, 1]), [[0, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0]], atol=1e-3)
    assert (index.encoded, index.reused, index.left_out) == (6, 0, 0)


def test_a_second_search_encodes_nothing(raster: Path, folder: IndexFolder) -> None:
    first = build(raster, folder)
    model = ColourModel()
    again = build(raster, folder, model)
    assert model.encoded == 0
    assert (again.encoded, again.reused) == (0, 6)
    np.testing.assert_array_equal(everything(again)[1], everything(first)[1])


@pytest.mark.parametrize(
    "change",
    [{"overlap": 0.5}, {"tile": "32px"}, {"bands": (3, 2, 1)}, {"min_valid": 0.1}, {"stretch": ((0.0, 200.0),)}],
    ids=lambda c: next(iter(c)),
)
def test_another_grid_or_band_choice_is_another_index(
    raster: Path, folder: IndexFolder, change: dict[str, object]
) -> None:
    build(raster, folder)
    assert build(raster, folder, **change).reused == 0
    assert len(folder.entries()) == 2


def test_other_weights_are_another_index(raster: Path, folder: IndexFolder) -> None:
    build(raster, folder)
    assert build(raster, folder, ColourModel(weights="2")).encoded == 6


def test_a_changed_raster_is_indexed_anew_and_its_old_index_is_stale(raster: Path, folder: IndexFolder) -> None:
    build(raster, folder)
    assert [entry.stale for entry in folder.entries()] == [None]
    write_raster(raster, ground([["snow", "snow", "snow"]] * 2), photometric="RGB")
    os.utime(raster, ns=(0, 0))  # the clock of a file system may be coarse
    assert [entry.stale for entry in folder.entries()] == ["raster has changed"]
    index = build(raster, folder)
    assert index.encoded == 6
    np.testing.assert_allclose(everything(index)[1], 0, atol=1e-3)
    assert sorted(str(entry.stale) for entry in folder.entries()) == ["None", "raster has changed"]
    raster.unlink()
    assert {entry.stale for entry in folder.entries()} == {"raster is gone"}


def test_tiles_without_data_are_left_out_and_not_read_again(tmp_path: Path, folder: IndexFolder) -> None:
    values = ground([["moss", "water"], ["sand", "brick"]])
    values[:, 64:, :64] = 0
    raster = write_raster(tmp_path / "nodata.tif", values, nodata=0, photometric="RGB")
    index = build(raster, folder)
    assert everything(index)[0] == [0, 1, 3]
    assert (index.encoded, index.left_out) == (4, 1)
    model = ColourModel()
    assert build(raster, folder, model).reused == 4
    assert model.encoded == 0


def test_cancelled_work_is_kept_and_gone_on_with(raster: Path, folder: IndexFolder) -> None:
    def stop(progress: Progress) -> None:
        if progress.done >= 4:
            raise Cancelled

    # Nothing is due for a commit yet: what is finished is committed because the work is interrupted.
    with RasterSource.open(raster) as source, pytest.raises(Cancelled):
        build_index(source, ColourModel(), OPTIONS.model_copy(update={"commit_seconds": 1e9}), folder, stop)
    assert [entry.done for entry in folder.entries()] == [4]
    index = build(raster, folder)
    assert (index.encoded, index.reused) == (2, 4)
    assert everything(index)[0] == [0, 1, 2, 3, 4, 5]


def test_a_damaged_table_is_made_anew_with_a_notice(
    raster: Path, folder: IndexFolder, caplog: pytest.LogCaptureFixture
) -> None:
    index = build(raster, folder)
    for file in (index.store.folder / "tiles.lance" / "data").iterdir():
        os.truncate(file, file.stat().st_size // 2)
    assert [entry.done for entry in folder.entries()] == [None]
    with caplog.at_level(logging.WARNING):
        again = build(raster, folder)
    assert again.encoded == 6
    assert "damaged" in caplog.text
    assert "größe 1.tif" in caplog.text


def test_a_damaged_record_is_made_anew(raster: Path, folder: IndexFolder) -> None:
    index = build(raster, folder)
    (index.store.folder / "index.json").write_text("{", encoding="utf-8")
    assert [entry.stale for entry in folder.entries()] == ["damaged, or of another version"]
    assert build(raster, folder).encoded == 6


def test_an_index_folder_that_cannot_be_made_is_an_error_with_remedy(raster: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexStoreError, match="--cache"):
        build(raster, IndexFolder(tmp_path / "file"))


def test_a_complete_index_is_compact(tmp_path: Path, folder: IndexFolder) -> None:
    raster = write_raster(tmp_path / "texture.tif", texture(640), photometric="RGB")
    index = build(raster, folder)  # 25 commits
    assert len(index.store.done) == 100
    table = index.store.folder / "tiles.lance"
    assert len(list((table / "data").iterdir())) == 1
    assert len(list((table / "_versions").glob("*.manifest"))) == 1


def test_an_embedding_that_is_not_there_is_an_error(raster: Path, folder: IndexFolder) -> None:
    store = build(raster, folder).store
    with pytest.raises(IndexStoreError, match="mpsclip index rm"):
        store.embeddings([99])


def test_an_unwritten_store_is_empty(tmp_path: Path) -> None:
    store = TileStore(tmp_path, 4, create=True)
    tiles, values = store.score(lambda rows: rows[:, 0])
    assert (len(tiles), len(values), len(store.done)) == (0, 0, 0)


def test_tiles_of_an_area_are_added_and_none_is_encoded_twice(tmp_path: Path, folder: IndexFolder) -> None:
    values = ground([["moss", "water", "sand"], ["brick", "moss", "snow"]])
    values[:, 64:, :64] = 0
    raster = write_raster(tmp_path / "part.tif", values, nodata=0, photometric="RGB")
    first = build(raster, folder, tiles=[1, 4])
    assert (first.encoded, first.reused, first.left_out) == (2, 0, 0)
    np.testing.assert_allclose(everything(first)[1], [0, 1], atol=1e-3)
    model = ColourModel()
    second = build(raster, folder, model, tiles=[3, 4, 5])
    assert (second.encoded, second.reused, second.left_out) == (2, 1, 1)
    assert model.encoded == 1  # tile 3 has no data
    assert everything(second)[0] == [4, 5]
    assert [(entry.done, entry.record.tiles) for entry in folder.entries() if entry.record] == [(4, 6)]
    model = ColourModel()
    assert build(raster, folder, model, tiles=[1, 3, 5]).reused == 3
    assert model.encoded == 0


def test_an_index_filled_by_areas_is_complete_when_it_has_all_tiles(raster: Path, folder: IndexFolder) -> None:
    for tiles in ([0, 1], [1, 2, 3]):
        index = build(raster, folder, tiles=tiles)
        assert not (index.store.folder / "complete").exists()
    whole = build(raster, folder)
    assert (whole.encoded, whole.reused) == (2, 4)
    assert (whole.store.folder / "complete").exists()
    assert everything(whole)[0] == [0, 1, 2, 3, 4, 5]
    part = build(raster, folder, tiles=[2, 5])
    assert (part.encoded, part.reused) == (0, 2)
    assert everything(part)[0] == [2, 5]


def test_an_area_that_holds_all_tiles_completes_an_index(raster: Path, folder: IndexFolder) -> None:
    index = build(raster, folder, tiles=range(6))
    assert (index.store.folder / "complete").exists()


def test_who_reads_a_part_is_not_disturbed_when_the_rest_is_filled_and_compacted(
    raster: Path, folder: IndexFolder
) -> None:
    part = build(raster, folder, tiles=[0, 1])
    rest = build(raster, folder)
    assert len(list((rest.store.folder / "tiles.lance" / "_versions").glob("*.manifest"))) == 1
    tiles, moss = everything(part)
    assert tiles == [0, 1]
    np.testing.assert_allclose(moss, [1, 0], atol=1e-3)
    again = build(raster, folder, tiles=[0, 1])
    np.testing.assert_allclose(again.store.embeddings([1]), [[0, 1, 0, 0, 0, 0]], atol=1e-3)


def test_an_index_that_was_filled_in_many_small_parts_is_put_together(tmp_path: Path, folder: IndexFolder) -> None:
    raster = write_raster(tmp_path / "texture.tif", texture(640), photometric="RGB")
    for first in range(0, 80, 2):
        index = build(raster, folder, tiles=[first, first + 1])
    assert index.store.fragments <= 32
    assert everything(build(raster, folder, tiles=range(80)))[0] == list(range(80))


def test_a_given_stretch_is_what_tiles_are_read_with(tmp_path: Path, folder: IndexFolder) -> None:
    values = ground([["moss", "water"]]).astype(np.uint16) * 10 + 1000
    raster = write_raster(tmp_path / "deep.tif", values, photometric="RGB")
    index = build(raster, folder, stretch=((1000.0, 3550.0),))
    np.testing.assert_allclose(everything(index)[1], [1, 0], atol=1e-3)
    np.testing.assert_allclose(index.store.embeddings([1]), [[0, 1, 0, 0, 0, 0]], atol=1e-3)
    dark = build(raster, folder, stretch=((1000.0, 3550.0), (1000.0, 3550.0), (5000.0, 6000.0)))
    assert dark.encoded == 2
    assert everything(dark)[1][1] == 0.0


def start_worker(raster: Path, folder: IndexFolder, *tiles: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.engine.index.worker", str(raster), str(folder.path.parent)]
    command += [str(tile) for tile in tiles]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )


def wait_for_commits(folder: IndexFolder, count: int) -> None:
    deadline = time.monotonic() + 300
    while not [entry for entry in folder.entries() if (entry.done or 0) >= count]:
        assert time.monotonic() < deadline, "the worker has committed nothing"
        time.sleep(0.05)


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path, folder: IndexFolder) -> None:
    raster = write_raster(tmp_path / "texture.tif", texture(1024), photometric="RGB")
    with start_worker(raster, folder) as worker:
        wait_for_commits(folder, 8)
        worker.send_signal(signal.SIGKILL)
    assert worker.returncode == -signal.SIGKILL
    index = build(raster, folder)
    assert index.reused >= 8
    assert index.encoded > 0
    assert index.encoded + index.reused == 256
    assert everything(index)[0] == list(range(256))


def test_two_processes_share_one_index_without_doing_work_twice(tmp_path: Path, folder: IndexFolder) -> None:
    raster = write_raster(tmp_path / "texture.tif", texture(768), photometric="RGB")
    with start_worker(raster, folder) as first, start_worker(raster, folder) as second:
        counts = [[int(n) for n in worker.communicate(timeout=300)[0].split()] for worker in (first, second)]
    assert [done for _, _, done in counts] == [144, 144]
    assert sum(encoded for encoded, _, _ in counts) == 144
    assert everything(build(raster, folder))[0] == list(range(144))


def test_when_one_of_two_processes_dies_the_other_finishes(tmp_path: Path, folder: IndexFolder) -> None:
    raster = write_raster(tmp_path / "texture.tif", texture(1024), photometric="RGB")
    with start_worker(raster, folder) as first:
        wait_for_commits(folder, 4)
        with start_worker(raster, folder) as second:
            time.sleep(0.5)
            first.kill()
            encoded, reused, done = (int(n) for n in second.communicate(timeout=300)[0].split())
    assert done == encoded + reused == 256
    assert reused >= 4


def test_who_waits_for_another_process_goes_on_when_that_has_done_what_is_wanted(
    tmp_path: Path, folder: IndexFolder
) -> None:
    raster = write_raster(tmp_path / "texture.tif", texture(1024), photometric="RGB")
    with start_worker(raster, folder) as worker:
        wait_for_commits(folder, 4)
        index = build(raster, folder, tiles=range(40, 44))
        busy = worker.poll() is None
        worker.kill()
    assert busy
    assert (index.encoded, index.reused) == (0, 4)
    assert everything(index)[0] == [40, 41, 42, 43]


def test_areas_and_the_whole_are_filled_by_three_processes_without_doing_work_twice(
    tmp_path: Path, folder: IndexFolder
) -> None:
    raster = write_raster(tmp_path / "texture.tif", texture(512), photometric="RGB")
    with (
        start_worker(raster, folder, 0, 20) as first,
        start_worker(raster, folder) as whole,
        start_worker(raster, folder, 10, 40) as second,
    ):
        printed = [worker.communicate(timeout=300)[0].split() for worker in (first, whole, second)]
    counts = [[int(n) for n in words] for words in printed]
    assert [encoded + reused for encoded, reused, _ in counts] == [20, 64, 30]
    assert sum(encoded for encoded, _, _ in counts) == 64
    assert everything(build(raster, folder))[0] == list(range(64))
