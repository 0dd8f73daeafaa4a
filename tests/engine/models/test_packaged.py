"""The packaged weights as they ship: they load strictly, and tell things apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.errors import ModelError
from engine.models.contract import ModelIdentity, ScoreMode, fuse, region_mean
from engine.models.packaged import PackagedModel, load_packaged
from engine.models.registry import load_model
from engine.resources import resource_path

WEIGHTS = resource_path("models", "rsicd-mini.safetensors")
IDENTITY = ModelIdentity("rsicd-mini", "compact", "0" * 64, "test")


@pytest.fixture(scope="module")
def model() -> PackagedModel:
    loaded = load_model("rsicd-mini", "cpu")
    assert isinstance(loaded, PackagedModel)
    return loaded


def rewritten(target: Path, change) -> Path:
    state = load_file(WEIGHTS)
    with safe_open(WEIGHTS, "pt") as stored:
        metadata = dict(stored.metadata())
    change(state, metadata)
    save_file(state, target, metadata=metadata)
    return target


def noise(side: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_the_file_is_at_most_twenty_megabytes() -> None:
    assert WEIGHTS.stat().st_size <= 20_000_000


def test_embeddings_are_unit_vectors_of_the_stated_width(model: PackagedModel) -> None:
    images = model.encode_images(model.preprocess(noise(224)))
    texts = model.encode_texts(["tennis courts", "a river"])
    patches = model.encode_patches(model.preprocess(noise(300)))
    side = -(-model.image_size // 32)
    assert images.shape == texts.shape == (2, model.embed_dim)
    assert patches.shape == (2, side, side, model.embed_dim)
    for embeddings in (images, texts, patches):
        torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(embeddings.shape[:-1]), rtol=1e-5, atol=1e-5)


def test_tiles_of_any_side_become_the_models_input(model: PackagedModel) -> None:
    for side in (64, 224, 500):
        out = model.preprocess(noise(side, 1))
        assert out.shape == (1, 3, model.image_size, model.image_size)
        assert out.dtype == torch.float32
        assert out.abs().max() <= 1.0


def test_a_batch_gives_what_its_images_give_alone(model: PackagedModel) -> None:
    inputs = model.preprocess(noise(224, 3))
    together = model.encode_images(inputs)
    alone = torch.cat([model.encode_images(inputs[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_wordings_of_one_thing_are_closer_than_different_things(model: PackagedModel) -> None:
    words = [
        "many planes are parked in an airport",
        "airplanes at the airport",
        "a dense green forest",
        "boats in a port",
    ]
    similarity = model.encode_texts(words) @ model.encode_texts(words).T
    assert similarity[0, 1] > similarity[0, 2] + 0.2
    assert similarity[0, 1] > similarity[0, 3] + 0.2


def test_water_and_grass_are_told_apart(model: PackagedModel) -> None:
    random = np.random.default_rng(0)
    tiles = np.empty((2, 224, 224, 3), np.float32)
    tiles[0], tiles[1] = (40, 90, 110), (70, 110, 50)
    tiles = np.clip(tiles + random.normal(0, 8, tiles.shape), 0, 255).astype(np.uint8)
    images = model.encode_images(model.preprocess(tiles))
    scores = images @ model.encode_texts(["water", "green meadow"]).T
    assert (scores[0] - scores[1])[0] > (scores[0] - scores[1])[1]


def test_no_text_is_no_row(model: PackagedModel) -> None:
    assert model.encode_texts([]).shape == (0, model.embed_dim)


def test_region_embeddings_are_zero_where_the_mask_is_false(model: PackagedModel) -> None:
    regions = model.preprocess(noise(224, 4)).view(2, 2, 3, model.image_size, model.image_size)
    mask = torch.tensor([[True, False], [False, False]])
    embeddings = model.encode_regions(regions, mask)
    torch.testing.assert_close(embeddings[0, 0], model.encode_images(regions[0, :1])[0], rtol=1e-4, atol=1e-5)
    assert not embeddings[0, 1].any()
    assert not embeddings[1].any()


def test_fused_score_is_the_released_formula_and_the_global_one_without_regions(model: PackagedModel) -> None:
    torch.manual_seed(0)
    images = torch.nn.functional.normalize(torch.randn(2, 4), dim=-1)
    regions = torch.nn.functional.normalize(torch.randn(2, 3, 4), dim=-1)
    texts = torch.nn.functional.normalize(torch.randn(5, 4), dim=-1)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    mean = (regions[0, 0] + regions[0, 1]) / 2
    image = 0.5 * (images[0] + mean / mean.norm())
    expected = (image / image.norm()) @ texts.T
    scores = model.score(images, texts, regions, mask, ScoreMode.FUSED)
    torch.testing.assert_close(scores[0], expected)
    torch.testing.assert_close(scores[1], images[1] @ texts.T)
    torch.testing.assert_close(fuse(images, region_mean(regions, mask)) @ texts.T, scores)


def test_a_mode_without_weights_is_refused(model: PackagedModel) -> None:
    with pytest.raises(ValueError, match="max_view"):
        model.score(torch.ones(1, 4), torch.ones(1, 4), torch.ones(1, 1, 4), torch.ones(1, 1), ScoreMode.MAX_VIEW)


def test_a_missing_and_an_unexpected_tensor_are_named(tmp_path: Path) -> None:
    def change(state, metadata) -> None:
        state["surplus"] = state.pop("image_head.bias")

    file = rewritten(tmp_path / "w.safetensors", change)
    with pytest.raises(ModelError, match=r"missing \['image_head.bias'\], unexpected \['surplus'\]"):
        load_packaged(file, IDENTITY, 224, torch.device("cpu"))


def test_another_format_is_refused(tmp_path: Path) -> None:
    def change(state, metadata) -> None:
        metadata["format"] = "other-9"

    file = rewritten(tmp_path / "w.safetensors", change)
    with pytest.raises(ModelError, match="other-9"):
        load_packaged(file, IDENTITY, 224, torch.device("cpu"))


def test_a_cut_file_is_refused_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "cut.safetensors"
    file.write_bytes(WEIGHTS.read_bytes()[:100_000])
    with pytest.raises(ModelError, match=r"cut\.safetensors"):
        load_packaged(file, IDENTITY, 224, torch.device("cpu"))
