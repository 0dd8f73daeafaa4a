"""The table of regions by itself; tests/engine/search/test_region_cache.py has it in searches."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.index.regions import MOST_FRAGMENTS, Region, RegionStore


def region(seed: int, shape: tuple[int, int] = (37, 53)) -> Region:
    rng = np.random.default_rng(seed)
    return Region(rng.random(shape) < 0.3, float(rng.random()), rng.normal(size=6).astype(np.float32))


def same(a: Region | None, b: Region | None) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a.mask, b.mask) and a.score == b.score and np.array_equal(a.embedding, b.embedding)


@pytest.fixture
def store(tmp_path: Path) -> RegionStore:
    return RegionStore(tmp_path, 6, "one")


def test_regions_come_back_bit_for_bit_and_so_does_that_there_is_none(store: RegionStore) -> None:
    rows = {(7, "it's"): region(1), (7, "pond"): None, (3, "pond"): region(2, (1, 1)), (4, "pond"): None}
    assert store.read([3, 4, 7], ["pond", "it's"]) == {}
    store.append(rows)
    store.append({(9, "pond"): region(3)})
    found = store.read([7, 4, 3, 5], ["pond", "it's", "road"])
    assert found.keys() == rows.keys()
    assert all(same(found[key], rows[key]) for key in rows)
    assert found[3, "pond"].mask.dtype == np.bool_
    assert store.read([9], ["it's"]) == {}


def test_another_segmenter_knows_nothing_of_it(store: RegionStore, tmp_path: Path) -> None:
    store.append({(1, "pond"): region(1)})
    other = RegionStore(tmp_path, 6, "two")
    assert other.read([1], ["pond"]) == {}
    other.append({(1, "pond"): None})
    assert other.read([1], ["pond"]) == {(1, "pond"): None}
    assert same(store.read([1], ["pond"])[1, "pond"], region(1))


def test_many_commits_stay_few_files_to_read(store: RegionStore) -> None:
    for i in range(MOST_FRAGMENTS + 3):
        store.append({(i, "pond"): region(i)})
    assert store._open().stats()["fragment_stats"]["num_fragments"] <= MOST_FRAGMENTS
    found = store.read(range(100), ["pond"])
    assert sorted(tile for tile, _ in found) == list(range(MOST_FRAGMENTS + 3))
    assert all(same(found[i, "pond"], region(i)) for i in range(MOST_FRAGMENTS + 3))


@pytest.mark.parametrize("folder", ["data", "_versions"])
def test_a_damaged_table_is_told_and_made_anew(
    store: RegionStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, folder: str
) -> None:
    store.append({(1, "pond"): region(1)})
    for file in (tmp_path / "regions.lance" / folder).iterdir():
        os.truncate(file, file.stat().st_size // 2)
    again = RegionStore(tmp_path, 6, "one")
    with caplog.at_level(logging.WARNING):
        assert again.read([1], ["pond"]) == {}
    assert str(tmp_path) in caplog.text
    again.append({(2, "pond"): region(2)})
    found = RegionStore(tmp_path, 6, "one").read([1, 2], ["pond"])
    assert found.keys() == {(2, "pond")}
    assert same(found[2, "pond"], region(2))


def test_a_table_of_other_width_is_made_anew(store: RegionStore, tmp_path: Path) -> None:
    store.append({(1, "pond"): region(1)})
    wide = RegionStore(tmp_path, 8, "one")
    assert wide.read([1], ["pond"]) == {}
    wide.append({(1, "pond"): None})
    assert wide.read([1], ["pond"]) == {(1, "pond"): None}


def test_regions_that_cannot_be_kept_are_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "removed meanwhile"
    folder.mkdir()
    store = RegionStore(folder, 6, "one")
    shutil.rmtree(folder)
    with caplog.at_level(logging.WARNING):
        store.append({(1, "pond"): region(1)})
    assert "cannot be kept" in caplog.text
    assert not folder.exists()
    assert store.read([1], ["pond"]) == {}
