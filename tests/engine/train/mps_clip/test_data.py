"""Pairs, their order and the batches made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from torch.utils.data import DataLoader

from engine.datasets.rsicd import read_split
from engine.errors import EngineError
from engine.segment.contract import Segment
from engine.train.mps_clip.config import DataSettings
from engine.train.mps_clip.data import (
    Batch,
    EpochBatches,
    PairDataset,
    RegionSource,
    collate,
    pairs_of,
)
from engine.train.mps_clip.masks import MaskCache, content_key
from engine.train.runs.pictures import Problem, spread

TOKENIZER = open_clip.SimpleTokenizer(context_length=10)


def test_an_epoch_has_every_pair_once_in_an_order_of_its_own() -> None:
    batches = EpochBatches(30, 7, seed=1, rank=0, world_size=1)
    first = list(batches)
    assert [len(batch) for batch in first] == [7, 7, 7, 7] and len(batches) == 4
    assert len({pair for batch in first for _, pair in batch}) == 28
    assert list(batches) == first
    batches.epoch = 1
    second = list(batches)
    assert [pair for batch in second for _, pair in batch] != [pair for batch in first for _, pair in batch]
    assert {epoch for batch in second for epoch, _ in batch} == {1}
    batches.first = 3
    assert list(batches) == second[3:] and len(batches) == 1


def test_two_devices_share_the_batches_of_one() -> None:
    whole = list(EpochBatches(30, 8, seed=1, rank=0, world_size=1))
    halves = [list(EpochBatches(30, 4, seed=1, rank=rank, world_size=2)) for rank in (0, 1)]
    assert [a + b for a, b in zip(*halves, strict=True)] == whole


def test_limits_are_spread_evenly(data: Path) -> None:
    images = read_split(data, "train")
    assert spread(images, 3) == images[::2]
    assert spread(images, None) == spread(images, 99) == images


def test_pairs_keep_equal_captions_and_take_paraphrases_when_asked(data: Path) -> None:
    images = read_split(data, "train")
    assert [pair.caption for pair in pairs_of(images, False)[:5]] == list(images[0].captions)
    assert len(pairs_of(images, True)) == 6 * 6


@pytest.mark.parametrize("kept_side", [None, 20])
def test_an_item_depends_on_its_place_alone(data: Path, kept_side: int | None) -> None:
    images = read_split(data, "train")
    dataset = PairDataset(images, pairs_of(images, False), DataSettings(kept_side=kept_side), 16, 5, TOKENIZER, None)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, later, other = dataset[0, 3], dataset[1, 3], dataset[0, 4]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    again = dataset[0, 3]
    assert not isinstance(first, Problem) and not isinstance(again, Problem)
    assert not isinstance(later, Problem) and not isinstance(other, Problem)
    assert torch.equal(first[0], again[0]) and first[3] == again[3] == 0
    assert torch.equal(first[2], TOKENIZER([images[0].captions[3]])[0])
    assert not torch.equal(first[0], later[0]) and not torch.equal(first[0], other[0])


def test_loader_processes_change_nothing(data: Path) -> None:
    images = read_split(data, "train")
    dataset = PairDataset(images, pairs_of(images, False), DataSettings(), 16, 5, TOKENIZER, None)
    loaders = [
        DataLoader(
            dataset,
            batch_sampler=EpochBatches(30, 8, 0, 0, 1),
            num_workers=workers,
            collate_fn=collate,
        )
        for workers in (0, 2)
    ]
    for here, there in zip(*loaders, strict=True):
        assert torch.equal(here.images, there.images) and torch.equal(here.tokens, there.tokens)


def test_regions_are_those_of_the_captions_keywords_under_the_same_crop(data: Path, tmp_path: Path) -> None:
    images = read_split(data, "train")[:2]
    pairs = pairs_of(images, False)
    keywords = {pair.caption: ("left", "nothing", "top", "all") for pair in pairs}
    left, top, everything = (np.zeros((48, 48), np.bool_) for _ in range(3))
    left[:, :24] = top[:24] = everything[:] = True
    found = [Segment("all", everything, 1.0), Segment("top", top, 1.0), Segment("left", left, 1.0)]
    cache = MaskCache(tmp_path / "masks.sqlite", "any")
    cache.write({content_key(image.path): (["left", "nothing", "top", "all"], found) for image in images})
    settings = DataSettings(augment_operations=0, flip=0.0)
    dataset = PairDataset(images, pairs, settings, 16, 0, TOKENIZER, RegionSource(cache, images, pairs, keywords, 2))
    batch = collate([dataset[0, i] for i in range(6)])
    assert isinstance(batch, Batch)
    assert batch.masks.shape == (6, 2, 16, 16) and bool(batch.valid.all())
    assert batch.image_ids.tolist() == [0, 0, 0, 0, 0, 1]
    for of_left, of_top in batch.masks:
        assert torch.equal(of_left, of_left[:1].expand(16, 16)) and torch.equal(of_top, of_top[:, :1].expand(16, 16))
    cache.close()


def test_missing_and_empty_masks_are_no_regions() -> None:
    picture, none = torch.zeros(3, 4, 4, dtype=torch.uint8), torch.zeros(0, 4, 4, dtype=torch.bool)
    two = torch.zeros(2, 4, 4, dtype=torch.bool)
    two[1, 0, 0] = True
    tokens = torch.zeros(10, dtype=torch.int64)
    batch = collate([(picture, none, tokens, 0), (picture, two, tokens, 1)])
    assert isinstance(batch, Batch)
    assert batch.valid.tolist() == [[False, False], [False, True]]


def test_a_cache_that_is_not_filled_is_refused(data: Path, tmp_path: Path) -> None:
    images = read_split(data, "train")[:2]
    pairs = pairs_of(images, False)
    cache = MaskCache(tmp_path / "masks.sqlite", "any")
    cache.write({content_key(images[0].path): (["field"], [])})
    keywords = {pair.caption: ("field",) for pair in pairs}
    RegionSource(cache, images, pairs[:5], keywords, 2)
    with pytest.raises(EngineError, match=r"not complete.*--masks-only"):
        RegionSource(cache, images, pairs, keywords, 2)
    cache.close()


def test_a_picture_that_cannot_be_read_is_named(data: Path) -> None:
    images = read_split(data, "train")
    images[0].path.write_bytes(b"no picture")
    dataset = PairDataset(images, pairs_of(images, False), DataSettings(), 16, 5, TOKENIZER, None)
    batch = collate([dataset[0, 7], dataset[0, 0]])
    assert isinstance(batch, Problem)
    assert str(images[0].path) in batch.problem
