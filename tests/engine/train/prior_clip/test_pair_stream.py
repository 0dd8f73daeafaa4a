"""Pairs from shards and folders, what is set apart for val, and batches that an interruption does not change."""

from __future__ import annotations

import hashlib
from pathlib import Path

import open_clip
import pytest
import torch
from torch.utils.data import DataLoader

from engine.datasets.captioned_folder import CaptionedPicture, Damaged
from engine.errors import UsageError
from engine.train.prior_clip.config import DataSettings
from engine.train.prior_clip.sources import Opened, Pair, open_data
from engine.train.prior_clip.stream import PairStream, PriorBatch
from engine.train.runs.pictures import Problem
from tests.support.pairs import good_members, picture, write_folder, write_shard, write_shards
from tests.support.rsicd import write_rsicd

TOKENIZER = open_clip.SimpleTokenizer(context_length=10)


def names(opened: Opened, seed: int = 0, lanes: int = 1) -> list[list[str]]:
    """Of the samples of one pass, by lanes."""
    found = [list(opened.source.read(seed, lane, lanes)) for lane in range(lanes)]
    return [[pair.sample.name for pair in lane if isinstance(pair, Pair)] for lane in found]


def stream(opened: Opened, batch: int = 3, **settings: int) -> PairStream:
    return PairStream(
        opened.source, opened.scenes, DataSettings(workers=0, **settings), 8, TOKENIZER,
        batch=batch, seed=1, rank=0, devices=1,
    )  # fmt: skip


def digests(batches: object) -> list[str]:
    out = []
    for batch in batches:  # type: ignore[attr-defined]
        assert isinstance(batch, PriorBatch)
        out.append(hashlib.sha256(batch.images.numpy().tobytes() + batch.tokens.numpy().tobytes()).hexdigest())
    return out


@pytest.mark.parametrize("lanes", [1, 2, 5])  # of 3 shards: as one, shard by shard, sample by sample
def test_a_pass_over_shards_has_every_sample_once_but_those_of_val(tmp_path: Path, lanes: int) -> None:
    write_shards(tmp_path, 3, 8)
    opened = open_data(tmp_path, DataSettings(val_pairs=4, shuffle=5))
    val = [sample.name for sample in opened.val]
    assert val == [f"part-002.tar/tiles/000{i}" for i in (16, 17, 18, 19)]
    found = names(opened, lanes=lanes)
    together = [name for lane in found for name in lane]
    assert len(together) == len(set(together)) == opened.source.pairs == 20
    assert not set(together) & set(val)
    assert names(opened, lanes=lanes) == found != names(opened, seed=1, lanes=lanes)
    assert together != sorted(together)


def test_shards_of_one_name_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_shards(tmp_path / folder, 1, 6)
    opened = open_data(tmp_path, DataSettings(val_pairs=4))
    assert [sample.name for sample in opened.val] == [f"b/part-000.tar/tiles/0000{i}" for i in range(4)]
    (found,) = names(opened)
    assert len(found) == opened.source.pairs == 8
    assert {f"a/part-000.tar/tiles/0000{i}" for i in range(6)} <= set(found)


def test_folder_sets_a_tenth_apart_and_rsicd_has_its_val(tmp_path: Path) -> None:
    opened = open_data(write_folder(tmp_path / "folder", 20), DataSettings())
    assert (opened.layout, len(opened.val), opened.source.pairs) == ("folder", 2, 36)
    (found,) = names(opened)
    assert sorted(found) == sorted(2 * list(set(found))) and not set(found) & {sample.name for sample in opened.val}
    rsicd = write_rsicd(tmp_path / "rsicd", {"train": 6, "val": 4}, 24)
    opened = open_data(rsicd, DataSettings())
    assert (opened.layout, len(opened.val), opened.source.pairs) == ("rsicd", 4, 30)
    assert opened.scenes == ("blue", "green", "grey", "red")
    shards = write_shards(tmp_path / "shards", 1, 4)
    opened = open_data(shards, DataSettings(val=str(rsicd), limit_val=2))
    assert (len(opened.val), opened.source.pairs) == (2, 4)


def test_data_without_pairs_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no pair to train on"):
        open_data(tmp_path, DataSettings())
    with pytest.raises(UsageError, match="There are no shards"):
        open_data(tmp_path, DataSettings(layout="webdataset"))
    write_shards(tmp_path, 1, 3)
    with pytest.raises(UsageError, match=r"All 3 samples .* Lower data\.val_pairs"):
        open_data(tmp_path, DataSettings(val_pairs=3))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_epoch_goes_on_alike(tmp_path: Path, workers: int) -> None:
    write_shards(tmp_path, 3, 8)
    pairs = stream(open_data(tmp_path, DataSettings(val_pairs=3, shuffle=4)))
    loader = DataLoader(pairs, batch_size=None, num_workers=workers)
    whole = digests(loader)
    assert len(whole) == len(set(whole)) == pairs.count == 7
    for first in (1, 4):
        pairs.first = first
        assert digests(loader) == whole[first:]
    pairs.epoch, pairs.first = 1, 0
    assert not set(digests(loader)) & set(whole)


def test_damaged_samples_are_left_out_of_full_batches(tmp_path: Path) -> None:
    members = good_members(0, 9)
    members[4] = (members[4][0], b"no picture")  # of sample 2
    write_shard(tmp_path / "a.tar", [*members, ("lonely.png", picture(0)[1])])
    val = write_rsicd(tmp_path / "rsicd", {"val": 2}, 24)
    opened = open_data(tmp_path, DataSettings(val=str(val), layout="webdataset"))
    batches = list(stream(opened, batch=4, epoch_pairs=9))
    assert len(batches) == 2
    assert all(isinstance(batch, PriorBatch) and batch.images.shape == (4, 3, 8, 8) for batch in batches)
    found = {sample for batch in batches if isinstance(batch, PriorBatch) for sample in batch.damaged}
    assert found == {
        Damaged("a.tar/tiles/00002", "it cannot be read as a picture"),
        Damaged("a.tar/lonely", "it has no caption"),
    }


def test_scenes_are_numbered_and_unknown_ones_have_none(tmp_path: Path) -> None:
    opened = open_data(write_rsicd(tmp_path, {"train": 6, "val": 1}, 24), DataSettings())
    batch = next(iter(stream(opened, batch=30)))
    assert isinstance(batch, PriorBatch)
    # Five captions each: the first picture has no scene, the others are green, blue, grey, red and green.
    assert torch.bincount(batch.scenes + 1).tolist() == [5, 5, 10, 5, 5]


def test_nothing_usable_is_a_problem_and_no_endless_search(tmp_path: Path) -> None:
    source = open_data(write_folder(tmp_path, 4), DataSettings())
    for file in tmp_path.rglob("*.png"):
        file.write_bytes(b"no picture")
    (only,) = stream(source, batch=2)
    assert isinstance(only, Problem) and "No sample of the data can be used" in only.problem
    assert all(isinstance(sample, CaptionedPicture) for sample in source.val)
