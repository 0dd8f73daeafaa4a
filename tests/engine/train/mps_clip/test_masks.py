"""The subimage cache: computed once, kept exactly, never stale."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.errors import Cancelled, EngineError
from engine.segment.contract import Segment
from engine.segment.relevance import RelevanceSegmenter
from engine.text.local import LocalKeywordExtractor
from engine.train.mps_clip import masks
from engine.train.mps_clip.masks import MaskCache, caption_keywords, content_key, fill, packed, unpacked
from engine.train.runs.pictures import read_picture
from engine.types import Progress, UInt8Array
from tests.support.colour_model import ColourModel, ground

CELLS = (("moss", "water"), ("water", "moss"))


class CountingSegmenter(RelevanceSegmenter):
    """The relevance segmenter; remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(ColourModel())
        self.asked: list[str] = []

    def segment(self, tiles: Sequence[UInt8Array], keywords: Sequence[Sequence[str]]) -> list[list[Segment]]:
        self.asked += [word for words in keywords for word in words]
        return super().segment(tiles, keywords)


@pytest.fixture
def pictures(tmp_path: Path) -> dict[Path, list[str]]:
    """Two pictures of moss and water, and what is looked for on them."""
    files = {}
    for i in range(2):
        file = tmp_path / f"{i}.png"
        pixels = ground([CELLS[i], CELLS[1 - i]], cell=32).transpose(1, 2, 0).copy()
        pixels[:3, :3] = i  # so that no two are equal
        Image.fromarray(pixels).save(file)
        files[file] = ["moss", "water", "moss"]
    return files


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (48, 48), (224, 224)])
def test_masks_come_back_bit_by_bit(shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).random(shape) < 0.3
    again = unpacked(packed(mask), *shape)
    assert again.dtype == np.bool_
    assert np.array_equal(again, mask)


def test_a_mask_of_a_few_objects_takes_less_than_a_twentieth_of_its_pixels() -> None:
    mask = np.zeros((224, 224), np.bool_)
    mask[30:80, 40:150] = mask[120:200, 10:60] = True
    assert len(packed(mask)) < mask.size / 8 / 20


def test_each_keyword_of_each_picture_is_outlined_once(tmp_path: Path, pictures: dict[Path, list[str]]) -> None:
    segmenter = CountingSegmenter()
    cache = MaskCache(tmp_path / "masks.sqlite", segmenter.identity)
    assert fill(cache, pictures, read_picture, segmenter) == 2
    assert segmenter.asked == ["moss", "water"] * 2
    cache.close()
    assert fill(MaskCache(tmp_path / "masks.sqlite", segmenter.identity), pictures, read_picture, segmenter) == 0
    assert len(segmenter.asked) == 4
    first = next(iter(pictures))
    expected = segmenter.segment([read_picture(first)], [["water", "moss"]])[0]
    kept = cache.read(content_key(first), ["water", "moss"])
    assert [segment.keyword for segment in expected] == ["water", "moss"]
    assert all(np.array_equal(a, b.mask) for a, b in zip(kept, expected, strict=True))
    assert len(cache.read(content_key(first), ["water", "moss"], 1)) == 1
    cache.close()


def test_a_keyword_that_was_not_found_is_not_looked_for_again(tmp_path: Path) -> None:
    cache = MaskCache(tmp_path / "masks.sqlite", "any")
    cache.write({"picture": (["plane", "ship"], [Segment("ship", np.ones((4, 4), np.bool_), 0.5)])})
    assert cache.known("picture") == {"plane", "ship"}
    assert len(cache.read("picture", ["plane", "ship"])) == 1
    assert cache.known("another") == set()
    cache.close()


def test_another_segmenter_and_a_changed_picture_are_outlined_anew(
    tmp_path: Path, pictures: dict[Path, list[str]]
) -> None:
    segmenter = CountingSegmenter()
    file = tmp_path / "masks.sqlite"
    cache = MaskCache(file, segmenter.identity)
    fill(cache, pictures, read_picture, segmenter)
    cache.close()
    other = MaskCache(file, "another segmenter")
    assert fill(other, pictures, read_picture, segmenter) == 2
    other.close()
    changed = next(iter(pictures))
    Image.fromarray(np.zeros((48, 48, 3), np.uint8)).save(changed)
    assert fill(cache, pictures, read_picture, segmenter) == 1
    cache.close()


def test_a_stopped_run_keeps_what_was_committed(
    tmp_path: Path, pictures: dict[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masks, "PICTURES_PER_COMMIT", 1)
    segmenter = CountingSegmenter()
    cache = MaskCache(tmp_path / "masks.sqlite", segmenter.identity)

    def stop(progress: Progress, /) -> None:
        assert (progress.done, progress.total) == (1, 2)
        raise Cancelled

    with pytest.raises(Cancelled):
        fill(cache, pictures, read_picture, segmenter, stop)
    cache.close()
    segmenter.asked.clear()
    assert fill(cache, pictures, read_picture, segmenter) == 1
    assert segmenter.asked == ["moss", "water"]
    cache.close()


def test_other_processes_read_the_cache(tmp_path: Path) -> None:
    cache = MaskCache(tmp_path / "masks.sqlite", "any")
    mask = np.eye(6, dtype=np.bool_)
    cache.write({"picture": (["ship"], [Segment("ship", mask, 0.5)])})  # open here when the other one begins
    with multiprocessing.get_context("fork").Pool(1) as pool:
        (found,) = pool.apply(cache.read, ("picture", ["ship"]))
    assert np.array_equal(found, mask)
    cache.close()


def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "masks.sqlite"
    file.write_bytes(b"no database " * 100)
    with pytest.raises(EngineError, match=r"masks\.sqlite cannot be used.*delete it"):
        MaskCache(file, "any").known("picture")


def test_captions_without_words_have_no_keywords() -> None:
    captions = ["two ships beside a pier .", " . ", "two ships beside a pier ."]
    assert caption_keywords(captions, LocalKeywordExtractor()) == {captions[0]: ("ships", "pier"), " . ": ()}
