"""Image–caption pairs for training, their order, and the pictures of val."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from engine.datasets.rsicd import CaptionedImage
from engine.errors import EngineError
from engine.train.mps_clip.config import DataSettings
from engine.train.mps_clip.masks import MaskCache, content_key
from engine.train.runs.augment import Augmentation
from engine.train.runs.pictures import Problem, read_picture
from engine.train.seeds import Purpose, derived_seed
from engine.types import BoolArray

Tokenizer = Callable[[list[str]], Tensor]
Key = tuple[int, int]  # epoch, pair


@dataclass(frozen=True, slots=True)
class Pair:
    """One image, by its place in the split, and one of its captions."""

    image: int
    caption: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What a step works on.

    Attributes:
        images: uint8 ``(B, 3, H, W)``, augmented.
        masks: bool ``(B, n, H, W)``, augmented likewise; n is that of the pair with the most.
        valid: bool ``(B, n)``: which masks there are.
        tokens: int64 ``(B, L)``.
        image_ids: int64 ``(B,)``.
    """

    images: Tensor
    masks: Tensor
    valid: Tensor
    tokens: Tensor
    image_ids: Tensor

    def to(self, device: torch.device) -> Batch:
        fields = (self.images, self.masks, self.valid, self.tokens, self.image_ids)
        return Batch(*(field.to(device, non_blocking=True) for field in fields))

    def pin_memory(self) -> Batch:
        fields = (self.images, self.masks, self.valid, self.tokens, self.image_ids)
        return Batch(*(field.pin_memory() for field in fields))


def pairs_of(images: Sequence[CaptionedImage], paraphrases: bool) -> list[Pair]:
    """Every image with each of its captions, equal ones too; with ``paraphrases`` further wordings, once each."""
    return [
        Pair(i, text)
        for i, image in enumerate(images)
        for text in (*image.captions, *(dict.fromkeys(image.paraphrases) if paraphrases else ()))
    ]


class RegionSource:
    """The masks of a pair: those of its caption's keywords that the segmenter found, in the caption's order.

    Args:
        cache: filled.
        images: the images that pairs refer to.
        pairs: all pairs that will be asked for.
        keywords: of each caption.
        most: masks a pair.

    Raises:
        EngineError: the cache is not filled for all pairs.
    """

    def __init__(
        self,
        cache: MaskCache,
        images: Sequence[CaptionedImage],
        pairs: Sequence[Pair],
        keywords: Mapping[str, Sequence[str]],
        most: int,
    ) -> None:
        self._cache, self._keywords, self._most = cache, keywords, most
        self._keys = [content_key(image.path) for image in images]
        known = [cache.known(key) for key in self._keys]
        cache.close()
        if not all(known[pair.image].issuperset(keywords[pair.caption]) for pair in pairs):
            raise EngineError(
                f"The cache of masks {cache.file} is not complete.",
                "Fill it with the same command and --masks-only; all machines of a run need to see it.",
                path=str(cache.file),
            )

    def masks(self, pair: Pair) -> list[BoolArray]:
        """At most ``most`` masks ``(H, W)``."""
        return self._cache.read(self._keys[pair.image], self._keywords[pair.caption], self._most)


Item = tuple[Tensor, Tensor, Tensor, int] | Problem


class PairDataset(Dataset[Item]):
    """Augmented pairs; an item is asked for by epoch and pair, and depends on these and the run's seed alone."""

    def __init__(
        self,
        images: Sequence[CaptionedImage],
        pairs: Sequence[Pair],
        settings: DataSettings,
        side: int,
        seed: int,
        tokenizer: Tokenizer,
        regions: RegionSource | None,
    ) -> None:
        self._pairs, self._seed, self._regions = pairs, seed, regions
        captions = list(dict.fromkeys(pair.caption for pair in pairs))
        self._tokens = tokenizer(captions)  # once: as dear as the rest of an item
        self._row = {caption: i for i, caption in enumerate(captions)}
        self._paths = [image.path for image in images]
        self._augmentation = Augmentation(settings, side)
        self._kept: Tensor | None = None
        if settings.kept_side is not None:
            kept = np.stack([read_picture(path, settings.kept_side) for path in self._paths])
            self._kept = torch.from_numpy(kept).permute(0, 3, 1, 2).contiguous()

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, key: Key) -> Item:
        """The picture uint8 ``(3, S, S)``, its masks bool ``(n, S, S)``, tokens ``(L,)`` and the image's number."""
        try:
            return self._item(*key)
        except EngineError as error:
            return Problem(error.problem, error.remedy)

    def _item(self, epoch: int, number: int) -> Item:
        pair = self._pairs[number]
        image = self._picture(pair.image)
        masks = self._masks(pair, image.shape[1], image.shape[2])
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derived_seed(self._seed, Purpose.AUGMENTATION, epoch, number))
            image, masks = self._augmentation(image, masks)
        return image, masks, self._tokens[self._row[pair.caption]], pair.image

    def _picture(self, image: int) -> Tensor:
        if self._kept is not None:
            return self._kept[image]
        return torch.from_numpy(read_picture(self._paths[image])).permute(2, 0, 1)

    def _masks(self, pair: Pair, height: int, width: int) -> Tensor:
        found = self._regions.masks(pair) if self._regions is not None else []
        if not found:
            return torch.zeros((0, height, width), dtype=torch.bool)
        masks = torch.from_numpy(np.stack(found))
        if masks.shape[1:] != (height, width):
            size = (height, width)
            masks = torch.nn.functional.interpolate(masks[:, None].float(), size, mode="nearest")[:, 0].bool()
        return masks


class EpochBatches(Sampler[list[Key]]):
    """The batches of one device: each epoch its own order of all pairs, its last incomplete batch left out.

    ``epoch`` and ``first`` (the batch to start with) are set before each pass.
    """

    def __init__(self, pairs: int, batch: int, seed: int, rank: int, world_size: int) -> None:
        self._pairs, self._batch, self._seed, self._rank, self._world = pairs, batch, seed, rank, world_size
        self.epoch = 0
        self.first = 0

    @property
    def count(self) -> int:
        """Batches of a whole epoch."""
        return self._pairs // (self._batch * self._world)

    def __len__(self) -> int:
        return self.count - self.first

    def __iter__(self) -> Iterator[list[Key]]:
        generator = torch.Generator().manual_seed(derived_seed(self._seed, Purpose.ORDER, self.epoch))
        order = torch.randperm(self._pairs, generator=generator).tolist()
        for i in range(self.first, self.count):
            start = (i * self._world + self._rank) * self._batch
            yield [(self.epoch, number) for number in order[start : start + self._batch]]


def collate(items: Sequence[Item]) -> Batch | Problem:
    """Items to a batch, missing masks filled up with empty ones; the first problem if there is one."""
    whole = [item for item in items if not isinstance(item, Problem)]
    if len(whole) < len(items):
        return next(item for item in items if isinstance(item, Problem))
    images, masks, tokens, ids = zip(*whole, strict=True)
    most = max(len(some) for some in masks)
    height, width = images[0].shape[1:]
    cover = torch.zeros((len(items), most, height, width), dtype=torch.bool)
    valid = torch.zeros((len(items), most), dtype=torch.bool)
    for i, some in enumerate(masks):
        cover[i, : len(some)] = some
        # A mask may lie outside the crop; an empty one is no region.
        valid[i, : len(some)] = some.flatten(1).any(1)
    return Batch(torch.stack(images), cover, valid, torch.stack(tokens), torch.tensor(ids))
