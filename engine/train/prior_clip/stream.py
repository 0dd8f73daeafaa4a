"""Batches of a source, made as it is read, alike however often a run was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from engine.datasets.captioned_folder import Damaged, DamagedSampleError, decode
from engine.train.prior_clip.config import DataSettings
from engine.train.prior_clip.sources import PairSource, pass_seed
from engine.train.runs.augment import Augmentation
from engine.train.runs.pictures import Problem
from engine.train.seeds import Purpose, derived_seed
from engine.types import UInt8Array

NO_SCENE = -1
Tokenizer = Callable[[list[str]], Tensor]


@dataclass(frozen=True, slots=True)
class PriorBatch:
    """What a step works on.

    Attributes:
        images: uint8 ``(B, 3, S, S)``, augmented.
        tokens: int64 ``(B, L)``.
        scenes: int64 ``(B,)``; -1 where none is known.
        damaged: samples that were met on the way and left out.
    """

    images: Tensor
    tokens: Tensor
    scenes: Tensor
    damaged: tuple[Damaged, ...] = ()

    def to(self, device: torch.device) -> PriorBatch:
        images, tokens, scenes = (part.to(device, non_blocking=True) for part in self._parts)
        return PriorBatch(images, tokens, scenes, self.damaged)

    def pin_memory(self) -> PriorBatch:
        images, tokens, scenes = (part.pin_memory() for part in self._parts)
        return PriorBatch(images, tokens, scenes, self.damaged)

    @property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.images, self.tokens, self.scenes


@dataclass(frozen=True, slots=True)
class _Ready:
    """A decoded picture uint8 ``(H, W, 3)``, its caption and its scene's number."""

    pixels: UInt8Array
    caption: str
    scene: int


class PairStream(IterableDataset[PriorBatch | Problem]):
    """The batches of one device; ``epoch`` and ``first`` (the batch to start with) are set before each pass.

    Loader processes have lanes: of W, number w makes the batches w, w + W, … from its own share of the source. Damaged
    samples are left out and the next ones move up, so that every batch is full; where a lane's share ends before its
    batches do, another pass over it follows. A resumed epoch decodes again what was trained on, and goes on as if
    nothing had happened; so the number of loader processes belongs to the run.

    Args:
        source: of pairs.
        scenes: names; a scene's number is its place.
        settings: augmentation.
        side: of the pictures, pixels.
        tokenizer: captions to token ids ``(B, L)``.
        batch: pairs of one on each device.
        seed: of the run.
        rank: of the device.
        devices: how many there are.
    """

    def __init__(
        self,
        source: PairSource,
        scenes: Sequence[str],
        settings: DataSettings,
        side: int,
        tokenizer: Tokenizer,
        *,
        batch: int,
        seed: int,
        rank: int,
        devices: int,
    ) -> None:
        self._source, self._tokenizer, self._batch, self._seed = source, tokenizer, batch, seed
        self._rank, self._devices = rank, devices
        self._number = {name: i for i, name in enumerate(scenes)}
        self._augmentation = Augmentation(settings, side)
        self._pairs = min(settings.epoch_pairs or source.pairs, source.pairs)
        self.epoch = 0
        self.first = 0

    @property
    def count(self) -> int:
        """Batches of a whole epoch."""
        return self._pairs // (self._batch * self._devices)

    def __len__(self) -> int:
        return self.count - self.first

    def __iter__(self) -> Iterator[PriorBatch | Problem]:
        worker = get_worker_info()
        workers, number = (1, 0) if worker is None else (worker.num_workers, worker.id)
        # A loader asks its processes in turn from the first one: that one has to make the batch to start with.
        turn = (self.first + number) % workers
        lane = self._rank * workers + turn
        found = self._usable(lane, self._devices * workers)
        for place in range(turn, self.count, workers):
            damaged: list[Damaged] = []
            ready: list[_Ready] = []
            while len(ready) < self._batch:
                item = next(found)
                if isinstance(item, Problem):
                    yield item
                    return
                if isinstance(item, Damaged):
                    damaged.append(item)
                else:
                    ready.append(item)
            if place >= self.first:
                yield self._made(ready, damaged, lane, place)

    def _usable(self, lane: int, lanes: int) -> Iterator[_Ready | Damaged | Problem]:
        turn, wanted = 0, True
        while wanted:
            wanted = False
            for pair in self._source.read(pass_seed(self._seed, self.epoch, turn), lane, lanes):
                if isinstance(pair, Damaged):
                    yield pair
                    continue
                sample = pair.sample
                try:
                    pixels = decode(sample)
                except DamagedSampleError as error:
                    yield Damaged(sample.name, str(error))
                    continue
                wanted = True
                scene = NO_SCENE if sample.scene is None else self._number.get(sample.scene, NO_SCENE)
                yield _Ready(pixels, pair.caption, scene)
            turn += 1
        yield Problem(
            "No sample of the data can be used.",
            "Check that --data has pictures with captions: data.image_keys, data.text_keys and data.caption_fields "
            "say how they are named. With little data, lower data.workers.",
        )

    def _made(self, ready: Sequence[_Ready], damaged: Sequence[Damaged], lane: int, place: int) -> PriorBatch:
        none = torch.zeros(0, 1, 1, dtype=torch.bool)
        images = []
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derived_seed(self._seed, Purpose.AUGMENTATION, self.epoch, lane, place))
            for item in ready:
                picture = torch.from_numpy(item.pixels).permute(2, 0, 1)
                masks = none.expand(0, *picture.shape[1:])
                images.append(self._augmentation(picture, masks)[0])
        tokens = self._tokenizer([item.caption for item in ready])
        scenes = torch.tensor([item.scene for item in ready])
        return PriorBatch(torch.stack(images), tokens, scenes, tuple(damaged))
