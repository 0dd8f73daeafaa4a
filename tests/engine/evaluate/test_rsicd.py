"""RSICD's reader, the recalls of the packaged model on generated data, and the mosaic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from engine.datasets.rsicd import load_pixels, read_split
from engine.errors import UsageError
from engine.evaluate.mosaic import CELL, ORIGIN, write_mosaic
from engine.evaluate.rsicd import QUARTER_TURNS, embed_distinct, embed_images, measure_images
from engine.models.registry import load_model
from tests.support.rsicd import write_rsicd


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rsicd(tmp_path_factory.mktemp("rsicd"), {"val": 12, "test": 5})


def test_a_split_is_read_in_file_order_with_its_texts(data: Path) -> None:
    images = read_split(data, "val")
    assert len(images) == 12
    assert images[0].scene is None
    assert images[1].scene == "green"
    assert images[1].captions == ("green ground 1", "a green field", "a green field", "much green", "green land")
    assert images[1].paraphrases == ("land that is green",)
    assert read_split(data, "test")[0].paraphrases == ()


def test_a_folder_without_the_split_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no RSICD split 'val'.*--data"):
        read_split(tmp_path, "val")


def test_the_packaged_model_tells_plain_colours_apart_better_than_chance(data: Path) -> None:
    report = measure_images(load_model("rsicd-mini", "cpu"), read_split(data, "val"), "val").report
    chance = (1 + 5 + 10) / 12 * 100 / 3
    assert np.mean(report.t2i.expected) > chance
    assert report.to_json()["split"] == "val"


def test_the_mean_over_quarter_turns_is_the_same_however_the_images_lie(data: Path, tmp_path: Path) -> None:
    model = load_model("rsicd-mini", "cpu")
    images = read_split(data, "val")[:3]
    turned = []
    for image in images:
        file = tmp_path / image.path.name
        with Image.open(image.path) as picture:
            picture.transpose(Image.Transpose.ROTATE_90).save(file)
        turned.append(replace(image, path=file))
    upright, lying = embed_images(model, images), embed_images(model, turned)
    assert np.abs(upright - lying).max() > 0.01
    averaged = embed_images(model, images, turns=QUARTER_TURNS)
    np.testing.assert_allclose(averaged, embed_images(model, turned, turns=QUARTER_TURNS), atol=0.002)
    np.testing.assert_allclose(np.linalg.norm(averaged, axis=1), 1.0, atol=1e-5)


def test_equal_captions_share_one_embedding() -> None:
    embeddings = embed_distinct(load_model("rsicd-mini", "cpu"), ["a pond", "many green trees", "a pond"])
    assert np.array_equal(embeddings[0], embeddings[2])
    assert not np.allclose(embeddings[0], embeddings[1])


def test_the_mosaic_knows_which_image_lies_where(data: Path, tmp_path: Path) -> None:
    images = read_split(data, "test")
    mosaic = write_mosaic(images, tmp_path / "mosaic.tif", seed=3)
    assert mosaic.columns == 3
    assert {image.path for image in mosaic.images} == {image.path for image in images}
    with rasterio.open(mosaic.raster) as raster:
        assert raster.shape == (2 * CELL, 3 * CELL)
        assert raster.crs.to_epsg() == 32632
        pixels = raster.read()
        for index, image in enumerate(mosaic.images):
            row, column = mosaic.cell_of(index)
            x, y = raster.xy(row * CELL + 100, column * CELL + 100)
            assert mosaic.image_at(x, y) is image
            cell = pixels[:, row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
            assert np.array_equal(cell.transpose(1, 2, 0), load_pixels([image])[0])
    assert mosaic.image_at(ORIGIN[0] - 1, ORIGIN[1] - 1) is None
    assert mosaic.image_at(ORIGIN[0] + 2.5 * CELL, ORIGIN[1] - 1.5 * CELL) is None
