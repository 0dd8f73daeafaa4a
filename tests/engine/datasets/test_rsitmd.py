"""RSITMD's split files, as they are and as they should not be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.datasets.rsicd import load_pixels
from engine.datasets.rsitmd import read_rsitmd
from engine.errors import UsageError
from tests.support.rsitmd import write_rsitmd


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_rsitmd(tmp_path / "rsitmd", {"train": 3, "test": 5}, side=32)


def edit(data: Path, split: str, change: object) -> None:
    """Rewrites a split file by ``change(rows)``."""
    file = data / f"rsitmd_{split}.json"
    rows = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(change(rows)), encoding="utf-8")  # type: ignore[operator]


def test_test_entries_are_images_with_five_captions_each(data: Path) -> None:
    images = read_rsitmd(data, "test")
    assert [image.path.name for image in images] == [
        "red_0.tif",
        "green_1.tif",
        "blue_2.tif",
        "grey_3.tif",
        "red_4.tif",
    ]
    assert images[1].captions == ("green ground 1", "a green field", "a green field", "much green", "green land")
    # Entries of test name no scene: the file name does.
    assert [image.scene for image in images] == ["red", "green", "blue", "grey", "red"]
    assert load_pixels(images).shape == (5, 224, 224, 3)


def test_train_entries_of_one_image_are_gathered_in_any_order(data: Path) -> None:
    whole = read_rsitmd(data, "train")
    assert [len(image.captions) for image in whole] == [5, 5, 5]
    edit(data, "train", lambda rows: [row | {"label_name": "sea"} for row in rows[::3] + rows[1::3] + rows[2::3]])
    mixed = {image.path: image for image in read_rsitmd(data, "train")}
    assert {image.path: sorted(image.captions) for image in whole} == {p: sorted(i.captions) for p, i in mixed.items()}
    assert {image.scene for image in mixed.values()} == {"sea"}


@pytest.mark.parametrize("below", ["images", "rsitmd"])
def test_images_may_lie_in_a_folder_of_their_own(tmp_path: Path, below: str) -> None:
    data = write_rsitmd(tmp_path / "data", {"test": 1}, below, side=16)
    assert read_rsitmd(data, "test")[0].path == data / below / "test" / "red_0.tif"


def test_a_wrong_folder_is_named_with_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no RSITMD split 'test'.*rsitmd_test\.json.*--data"):
        read_rsitmd(tmp_path, "test")


def test_missing_images_are_counted_and_the_first_one_named(data: Path) -> None:
    for name in ("green_1", "grey_3"):
        (data / "test" / f"{name}.tif").unlink()
    with pytest.raises(UsageError, match=r"2 of 5 images of rsitmd_test\.json are missing, .*green_1\.tif"):
        read_rsitmd(data, "test")


@pytest.mark.parametrize(("split", "count"), [("test", 4), ("train", 6)])
def test_another_number_of_captions_is_refused(data: Path, split: str, count: int) -> None:
    if split == "test":
        edit(data, split, lambda rows: [{**rows[0], "caption": rows[0]["caption"][:4]}, *rows[1:]])
    else:
        edit(data, split, lambda rows: [rows[0], *rows])
    with pytest.raises(UsageError, match=rf"red_0\.tif has {count} captions, not 5"):
        read_rsitmd(data, split)


@pytest.mark.parametrize("text", ["{", "{}", "[]", "[3]", '[{"image": "a.tif", "caption": [1]}]', '[{"caption": "a"}]'])
def test_a_file_of_another_format_is_refused(data: Path, text: str) -> None:
    (data / "rsitmd_test.json").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"rsitmd_test\.json is no split file of RSITMD"):
        read_rsitmd(data, "test")
