"""Where pairs come from: listed pictures, or shards that are read as streams; and the part of them that selects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from engine.datasets.captioned_folder import CaptionedPicture, Damaged, DamagedSampleError, Keys, decode, read_folder
from engine.datasets.rsicd import CaptionedImage, read_split
from engine.datasets.webdataset import count_samples, find_shards, read_shard
from engine.errors import UsageError
from engine.train.prior_clip.config import DataSettings
from engine.train.runs.pictures import spread
from engine.train.seeds import Purpose, derived_seed
from engine.types import Progress, ProgressSink, no_progress


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and the caption that it is trained on with."""

    sample: CaptionedPicture
    caption: str


class PairSource(Protocol):
    """What can be trained on.

    Attributes:
        pairs: of one pass, damaged ones included.
        identity: sha256 (hex) of what is known without reading pictures.
    """

    pairs: int
    identity: str

    def read(self, seed: int, lane: int, lanes: int) -> Iterator[Pair | Damaged]:
        """One pass over this lane's share of the pairs, in an order that ``seed`` decides; lanes share nothing."""
        ...


class ListedPairs:
    """Every picture of a list with each of its captions, in random order."""

    def __init__(self, samples: Sequence[CaptionedPicture], damaged: Sequence[Damaged] = ()) -> None:
        self._samples, self._damaged = samples, damaged
        self._pairs = [(i, caption) for i, sample in enumerate(samples) for caption in sample.captions]
        self.pairs = len(self._pairs)
        names = [[samples[i].name, caption] for i, caption in self._pairs]
        self.identity = hashlib.sha256(json.dumps(names).encode()).hexdigest()

    def read(self, seed: int, lane: int, lanes: int) -> Iterator[Pair | Damaged]:
        yield from self._damaged
        for number in np.random.default_rng(seed).permutation(self.pairs)[lane::lanes]:
            i, caption = self._pairs[number]
            yield Pair(self._samples[i], caption)


class ShardPairs:
    """The samples of tar shards, each with one of its captions.

    A pass has the shards in random order, and within each lane the samples mixed as far as ``shuffle`` of them reach.
    With fewer shards than lanes every lane reads all shards and keeps its share of their samples.

    Args:
        folder: that they are below; samples are named from there.
        shards: in a fixed order.
        keys: of their samples.
        shuffle: samples in memory, undecoded.
        pairs: of one pass.
        left_out: names of samples that select and are not trained on.
    """

    def __init__(
        self,
        folder: Path,
        shards: Sequence[Path],
        keys: Keys,
        shuffle: int,
        pairs: int,
        left_out: frozenset[str] = frozenset(),
    ) -> None:
        self._folder = folder
        self._shards, self._keys, self._shuffle, self._left_out = shards, keys, shuffle, left_out
        self.pairs = pairs
        listed = [[path.relative_to(folder).as_posix(), path.stat().st_size] for path in shards]
        self.identity = hashlib.sha256(json.dumps([listed, sorted(left_out)]).encode()).hexdigest()

    def read(self, seed: int, lane: int, lanes: int) -> Iterator[Pair | Damaged]:
        random = np.random.default_rng([seed, lane])
        waiting: list[CaptionedPicture] = []
        for sample in self._in_turn(seed, lane, lanes):
            if isinstance(sample, Damaged):
                yield sample
                continue
            waiting.append(sample)
            if len(waiting) > self._shuffle:
                yield _drawn(waiting, random)
        while waiting:
            yield _drawn(waiting, random)

    def _in_turn(self, seed: int, lane: int, lanes: int) -> Iterator[CaptionedPicture | Damaged]:
        order = np.random.default_rng(seed).permutation(len(self._shards))
        shared = len(order) < lanes
        number = 0
        for place in order if shared else order[lane::lanes]:
            for sample in read_shard(self._shards[place], self._keys, self._folder):
                if sample.name in self._left_out:
                    continue
                number += 1
                if not shared or number % lanes == lane:
                    yield sample


@dataclass(frozen=True, slots=True)
class Opened:
    """What a run trains on and selects by.

    Attributes:
        source: pairs to train on.
        val: what selects, decodable as far as known.
        scenes: names of the scenes that pairs may have; a label is a place here.
        layout: which one it is.
    """

    source: PairSource
    val: list[CaptionedPicture]
    scenes: tuple[str, ...]
    layout: str


def open_data(data: Path, settings: DataSettings, progress: ProgressSink = no_progress) -> Opened:
    """Finds out what ``data`` holds, and sets val apart.

    RSICD's layout has a split for val. Of shards, the first ``val_pairs`` usable samples of the last one by name are
    val; of a folder with captions beside its pictures, pictures at even distances, a tenth of all at most.

    Args:
        data: folder.
        settings: see there.
        progress: told while shards are counted.

    Raises:
        UsageError: there is nothing of the layout, or nothing is left for one of the two parts.
    """
    layout = settings.layout if settings.layout != "auto" else _layout(data)
    if layout == "rsicd":
        train = listed(read_split(data, "train"), settings.limit_train)
        scenes = tuple(sorted({sample.scene for sample in train if sample.scene is not None}))
        opened = Opened(ListedPairs(train), _given_val(settings, data), scenes, layout)
    elif layout == "webdataset":
        opened = _open_shards(data, settings, progress)
    else:
        opened = _open_folder(data, settings)
    for part, count in (("to train on", opened.source.pairs), ("for val", len(opened.val))):
        if not count:
            raise UsageError(
                f"{data} ({layout}) has no pair {part}.",
                "Give RSICD's layout, tar shards with pictures and captions, or pictures with captions beside them; "
                "data.val names a folder of RSICD's layout for val.",
                folder=str(data),
            )
    return opened


def _layout(data: Path) -> str:
    if (data / "train.jsonl").is_file():
        return "rsicd"
    return "webdataset" if find_shards(data) else "folder"


def _open_shards(data: Path, settings: DataSettings, progress: ProgressSink) -> Opened:
    shards = find_shards(data)
    if not shards:
        raise UsageError(f"There are no shards (*.tar) in {data}.", "Check --data and data.layout.", folder=str(data))
    if settings.val:
        val, left_out = _given_val(settings, Path(settings.val)), frozenset[str]()
    else:
        usable = (sample for sample in read_shard(shards[-1], settings.keys, data) if _is_usable(sample))
        val = [sample for sample in islice(usable, settings.val_pairs) if isinstance(sample, CaptionedPicture)]
        left_out = frozenset(sample.name for sample in val)
        val = spread(val, settings.limit_val)
    pairs = settings.epoch_pairs
    if pairs is None:
        pairs = -len(left_out)
        for i, shard in enumerate(shards):
            pairs += count_samples(shard, settings.keys)
            progress(Progress("count samples", i + 1, len(shards)))
        if left_out and pairs < 1:
            raise UsageError(
                f"All {len(left_out)} samples of {data} are taken for val; nothing is left to train on.",
                "Lower data.val_pairs, or name a folder of RSICD's layout for val with data.val.",
                folder=str(data),
            )
    return Opened(ShardPairs(data, shards, settings.keys, settings.shuffle, pairs, left_out), val, (), "webdataset")


def _open_folder(data: Path, settings: DataSettings) -> Opened:
    found = list(read_folder(data, settings.keys))
    samples = [sample for sample in found if isinstance(sample, CaptionedPicture)]
    damaged = [sample for sample in found if isinstance(sample, Damaged)]
    if settings.val:
        val, train = _given_val(settings, Path(settings.val)), samples
    else:
        # At most a tenth, but one at least.
        val = spread(samples, max(min(settings.val_pairs, len(samples) // 10), 1))
        left_out = {sample.name for sample in val}
        train = [sample for sample in samples if sample.name not in left_out]
        val = spread(val, settings.limit_val)
    return Opened(ListedPairs(spread(train, settings.limit_train), damaged), val, (), "folder")


def _given_val(settings: DataSettings, folder: Path) -> list[CaptionedPicture]:
    place = Path(settings.val).expanduser() if settings.val else folder
    return listed(read_split(place, "val"), settings.limit_val)


def listed(images: Sequence[CaptionedImage], limit: int | None = None) -> list[CaptionedPicture]:
    """Images of :mod:`engine.datasets.rsicd` as samples; at most ``limit``, evenly spread."""
    samples = [
        CaptionedPicture(f"{image.path.parent.name}/{image.path.name}", image.path, image.captions, image.scene)
        for image in images
    ]
    return spread(samples, limit)


def _drawn(waiting: list[CaptionedPicture], random: np.random.Generator) -> Pair:
    place = int(random.integers(len(waiting)))
    waiting[place], waiting[-1] = waiting[-1], waiting[place]
    sample = waiting.pop()
    return Pair(sample, sample.captions[int(random.integers(len(sample.captions)))])


def _is_usable(sample: CaptionedPicture | Damaged) -> bool:
    if isinstance(sample, Damaged):
        return False
    try:
        decode(sample)
    except DamagedSampleError:
        return False
    return True


def pass_seed(seed: int, epoch: int, turn: int) -> int:
    """Of a pass: an epoch may need more than one where samples are damaged or lanes uneven."""
    return derived_seed(seed, Purpose.ORDER, epoch, turn)
