"""Tar shards and folders of captioned pictures: read as they are, and damage is named."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.datasets import webdataset
from engine.datasets.captioned_folder import CaptionedPicture, Damaged, DamagedSampleError, Keys, decode, read_folder
from engine.datasets.webdataset import count_samples, find_shards, read_shard
from tests.support.pairs import good_members, picture, write_folder, write_shard, write_shards


def samples(found: object) -> list[CaptionedPicture]:
    assert isinstance(found, list) and all(isinstance(sample, CaptionedPicture) for sample in found)
    return found


def test_shard_gives_its_samples_in_order_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "shards", 2, 3)
    (folder / "notes.txt").write_text("no shard")
    shards = find_shards(tmp_path)
    assert [path.name for path in shards] == ["part-000.tar", "part-001.tar"]
    before = sorted(folder.iterdir())
    found = samples(list(read_shard(shards[1])))
    assert [sample.name for sample in found] == [f"part-001.tar/tiles/0000{i}" for i in (3, 4, 5)]
    assert [sample.captions for sample in found] == [("grey ground 3",), ("red ground 4",), ("green ground 5",)]
    expected = np.asarray(Image.open(io.BytesIO(picture(4)[1])))
    assert np.array_equal(decode(found[1]), expected)
    assert sorted(folder.iterdir()) == before
    assert [count_samples(path) for path in shards] == [3, 3]


def test_compressed_shard_reads_the_same(tmp_path: Path) -> None:
    plain = write_shard(tmp_path / "a.tar", good_members(0, 2))
    packed = tmp_path / "a.tar.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert [sample.picture for sample in samples(list(read_shard(packed)))] == [
        sample.picture for sample in samples(list(read_shard(plain)))
    ]
    assert count_samples(packed) == 2


def test_damaged_samples_are_named_and_the_others_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webdataset, "LARGEST_PART", 4000)
    (_, image), good = picture(0), good_members(7, 1)
    members = [
        ("lonely.png", image),
        ("mute.txt", b"a pond"),
        ("blank.png", image), ("blank.txt", b" \n"),
        ("broken.png", image), ("broken.json", b'{"caption": '),
        ("other.png", image), ("other.json", json.dumps({"url": "x"}).encode()),
        ("huge.png", b"0" * 5000), ("huge.txt", b"a port"),
        ("latin.png", image), ("latin.txt", "Häfen".encode("latin-1")),
        ("label.cls", b"3"),
        *good,
    ]  # fmt: skip
    found = list(read_shard(write_shard(tmp_path / "a.tar", members)))
    damaged = {sample.name: sample.reason for sample in found if isinstance(sample, Damaged)}
    assert list(damaged) == [f"a.tar/{n}" for n in ("lonely", "mute", "blank", "broken", "other", "huge", "latin")]
    assert damaged["a.tar/lonely"] == "it has no caption" and damaged["a.tar/mute"] == "it has no picture"
    assert "json cannot be read" in damaged["a.tar/broken"]
    assert damaged["a.tar/other"] == "its json holds no caption"
    assert "larger than" in damaged["a.tar/huge"] and "txt cannot be read" in damaged["a.tar/latin"]
    assert [sample.name for sample in found if isinstance(sample, CaptionedPicture)] == ["a.tar/tiles/00007"]


def test_shard_that_breaks_off_gives_what_came_before(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", good_members(0, 4))
    whole = path.read_bytes()
    with tarfile.open(path) as shard:
        third = shard.getmember("tiles/00002.png")
    path.write_bytes(whole[: third.offset_data + 10])
    found = list(read_shard(path))
    assert [sample.name for sample in found[:2]] == ["a.tar/tiles/00000", "a.tar/tiles/00001"]
    assert isinstance(found[2], Damaged) and found[2].name == "a.tar" and "breaks off" in found[2].reason
    path.write_bytes(b"no tar at all" * 100)
    (only,) = read_shard(path)
    assert isinstance(only, Damaged) and count_samples(path) == 0


def test_keys_say_what_is_a_picture_and_what_a_caption(tmp_path: Path) -> None:
    _, image = picture(0)
    members = [("a.seg.png", b"mask"), ("a.img_content", image), ("a.meta.json", b'{"title": ["one  pond", "two"]}')]
    path = write_shard(tmp_path / "a.tar", members)
    keys = Keys(("img_content",), ("meta.json",), ("title",))
    (sample,) = samples(list(read_shard(path, keys)))
    assert sample.captions == ("one pond", "two") and sample.picture == image
    assert count_samples(path, keys) == 1


def test_folder_gives_pictures_with_captions_beside_them(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pairs", 3)
    (folder / "area-0" / "alone.PNG").write_bytes(picture(0)[1])
    found = list(read_folder(folder))
    assert [sample.name for sample in found] == [
        str(Path("area-0", "alone.PNG")), str(Path("area-0", "tile 0.png")), str(Path("area-0", "tile 2.png")),
        str(Path("area-1", "tile 1.png")),
    ]  # fmt: skip
    assert found[0] == Damaged(found[0].name, "there is no caption beside it")
    assert samples(found[1:])[1].captions == ("a blue field", "much blue")


def test_what_is_no_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"", b"no picture", picture(0)[1][:60]):
        with pytest.raises(DamagedSampleError, match="cannot be read as a picture"):
            decode(CaptionedPicture("a", content, ("x",)))
    with pytest.raises(DamagedSampleError, match="cannot be read as a picture"):
        decode(CaptionedPicture("a", tmp_path / "none.png", ("x",)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DamagedSampleError, match="exceeds limit"):
        decode(CaptionedPicture("a", picture(0)[1], ("x",)))
