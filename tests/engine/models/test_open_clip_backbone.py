"""The open_clip backbone on a tiny random ViT and ResNet, built by open_clip itself and saved by the test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import normalize

from engine.errors import ModelError, UsageError
from engine.models.contract import ScoreMode
from engine.models.open_clip_backbone import OpenClipModel, load_open_clip, patch_features

CPU = torch.device("cpu")
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
TINY_VIT = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 32, "patch_size": 16, "head_width": 16},
    "text_cfg": TEXT,
}
TINY_RESNET = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
    "text_cfg": TEXT,
}


@pytest.fixture(scope="module", autouse=True)
def architectures(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("open_clip")
    for name, config in (("tiny-vit", TINY_VIT), ("tiny-resnet", TINY_RESNET)):
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)


@pytest.fixture(scope="module")
def vit() -> Any:
    torch.manual_seed(0)
    net = open_clip.create_model("tiny-vit").eval()
    with torch.no_grad():
        # As after training, norms and biases are no identities: a forgotten one shows.
        for name, parameter in net.named_parameters():
            if "ln_" in name or name.endswith("bias"):
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return net


@pytest.fixture(scope="module")
def vit_file(vit: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.pt"
    torch.save(vit.state_dict(), path)
    return path


def load(file: Path, architecture: str = "tiny-vit", **options: Any) -> OpenClipModel:
    return load_open_clip(architecture, file, model_id="tiny", weights="0" * 64, device=CPU, **options)


@pytest.fixture(scope="module")
def model(vit_file: Path) -> OpenClipModel:
    return load(vit_file)


def random_images(count: int, side: int, seed: int = 1) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def manual_tokens(vit: Any, images: Tensor) -> Tensor:
    """All tokens of the image tower after the last norm and projection, step by step: ``(B, 1 + N, E)``."""
    visual = vit.visual
    x = visual.conv1(images).flatten(2).transpose(1, 2)  # (B, N, D), row by row
    x = torch.cat([visual.class_embedding.expand(len(x), 1, -1), x], dim=1) + visual.positional_embedding
    x = visual.ln_pre(x)
    for block in visual.transformer.resblocks:
        h = block.ln_1(x)
        x = x + block.attn(h, h, h, need_weights=False)[0]
        x = x + block.mlp.c_proj(block.mlp.gelu(block.mlp.c_fc(block.ln_2(x))))
    return visual.ln_post(x) @ visual.proj


def test_patches_are_the_projected_patch_tokens_row_by_row(vit: Any, model: OpenClipModel) -> None:
    images = model.preprocess(random_images(2, 64))
    with torch.no_grad():
        tokens = normalize(manual_tokens(vit, images), dim=-1)
    patches = model.encode_patches(images)
    assert patches.shape == (2, 4, 4, 16)
    torch.testing.assert_close(patches, tokens[:, 1:].reshape(2, 4, 4, 16), atol=1e-5, rtol=0)
    torch.testing.assert_close(model.encode_images(images), tokens[:, 0], atol=1e-5, rtol=0)


def test_resnet_patches_are_what_its_pool_returns_where_it_has_one_position(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = open_clip.create_model("tiny-resnet").eval()
    torch.nn.init.zeros_(net.visual.attnpool.positional_embedding)
    torch.save(net.state_dict(), tmp_path / "resnet.pt")
    resnet = load(tmp_path / "resnet.pt", "tiny-resnet")
    images = resnet.preprocess(random_images(3, 32))
    # One position: attention over it and its own mean can only return its value, projected.
    torch.testing.assert_close(resnet.encode_patches(images)[:, 0, 0], resnet.encode_images(images))


def test_text_embeddings_are_open_clips(vit: Any, model: OpenClipModel) -> None:
    texts = ["an airport", "tennis courts beside a parking lot"]
    with torch.no_grad():
        expected = vit.encode_text(open_clip.get_tokenizer("ViT-B-32")(texts), normalize=True)
    torch.testing.assert_close(model.encode_texts(texts), expected)


def test_embeddings_have_unit_length_and_dtype_float32(model: OpenClipModel) -> None:
    images = model.preprocess(random_images(2, 64))
    for embeddings in (model.encode_images(images), model.encode_patches(images), model.encode_texts(["a", "b"])):
        assert embeddings.dtype == torch.float32
        torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(embeddings.shape[:-1]))


def test_no_text_gives_no_embedding_and_many_texts_one_each(model: OpenClipModel) -> None:
    assert model.encode_texts([]).shape == (0, 16)
    many = model.encode_texts(["pond"] * 300)
    torch.testing.assert_close(many, many[:1].expand(300, 16))


def test_preprocessing_of_images_of_the_models_size_is_normalisation_alone(model: OpenClipModel) -> None:
    images = random_images(2, 64)
    mean, std = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    expected = ((images / 255 - mean) / std).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(model.preprocess(images).numpy(), expected, atol=1e-5)
    torch.testing.assert_close(model.preprocess(torch.from_numpy(images)), model.preprocess(images))


def test_preprocessing_of_other_sizes_is_pillows_antialiased_bicubic(model: OpenClipModel) -> None:
    from PIL import Image

    image = random_images(1, 150)
    resized = np.asarray(Image.fromarray(image[0]).resize((64, 64), Image.Resampling.BICUBIC))
    difference = (model.preprocess(image) - model.preprocess(resized[None])).abs()
    # Pillow rounds to 8 bit after each of its two passes: 1.5 grey values, in units of the deviation.
    assert float(difference.max()) <= 1.5 / 255 / 0.26


def test_rectangles_become_squares(model: OpenClipModel) -> None:
    images = np.zeros((1, 40, 90, 3), dtype=np.uint8)
    assert model.preprocess(images).shape == (1, 3, 64, 64)


def test_regions_are_encoded_like_images_and_invalid_ones_are_zero(model: OpenClipModel) -> None:
    images = model.preprocess(random_images(4, 64))
    mask = torch.tensor([[True, False], [False, True]])
    regions = model.encode_regions(images.reshape(2, 2, 3, 64, 64), mask)
    alone = model.encode_images(images)
    torch.testing.assert_close(regions[0, 0], alone[0])
    torch.testing.assert_close(regions[1, 1], alone[3])
    assert regions[0, 1].count_nonzero() == regions[1, 0].count_nonzero() == 0


def test_max_view_needs_perspective_heads(model: OpenClipModel) -> None:
    embeddings = model.encode_texts(["pond"])
    with pytest.raises(ValueError, match="no perspective heads"):
        model.score(embeddings, embeddings, embeddings[None], torch.ones(1, 1).bool(), ScoreMode.MAX_VIEW)


@pytest.mark.parametrize("form", ["safetensors", "wrapped", "data-parallel", "half"])
def test_every_usual_form_of_checkpoint_gives_the_same_embeddings(
    vit: Any, model: OpenClipModel, tmp_path: Path, form: str
) -> None:
    state = vit.state_dict()
    path = tmp_path / "weights.pt"
    if form == "safetensors":
        path = tmp_path / "weights.safetensors"
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    elif form == "wrapped":
        torch.save({"epoch": 20, "name": "run", "state_dict": state, "optimizer": {"lr": 1e-9}}, path)
    elif form == "data-parallel":
        torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, path)
    else:
        torch.save({name: value.half() for name, value in state.items()}, path)
    images = model.preprocess(random_images(2, 64))
    tolerance = 2e-2 if form == "half" else 0
    torch.testing.assert_close(load(path).encode_images(images), model.encode_images(images), atol=tolerance, rtol=0)


def test_missing_and_unexpected_keys_are_named(vit: Any, tmp_path: Path) -> None:
    state = vit.state_dict()
    state["visual.projection"] = state.pop("visual.proj")
    torch.save(state, tmp_path / "renamed.pt")
    with pytest.raises(ModelError, match=r"missing visual\.proj; unexpected visual\.projection") as caught:
        load(tmp_path / "renamed.pt")
    assert (caught.value.data["missing"], caught.value.data["unexpected"]) == (["visual.proj"], ["visual.projection"])


def test_surplus_keys_that_the_catalogue_names_are_ignored(vit: Any, model: OpenClipModel, tmp_path: Path) -> None:
    torch.save({**vit.state_dict(), "text.position_ids": torch.arange(77)}, tmp_path / "surplus.pt")
    with pytest.raises(ModelError, match=r"unexpected text\.position_ids"):
        load(tmp_path / "surplus.pt")
    texts = ["pond"]
    loaded = load(tmp_path / "surplus.pt", ignored_keys=["text.position_ids"])
    torch.testing.assert_close(loaded.encode_texts(texts), model.encode_texts(texts))


def test_weights_of_another_shape_are_named(vit: Any, tmp_path: Path) -> None:
    torch.save({**vit.state_dict(), "visual.proj": torch.zeros(32, 8)}, tmp_path / "narrow.pt")
    with pytest.raises(ModelError, match=r"of another shape visual\.proj \(32, 8\) for \(32, 16\)"):
        load(tmp_path / "narrow.pt")


class Surprise:
    """Pickled code, which must not run."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (pytest.fail, ("code in a weight file was executed",))


@pytest.mark.parametrize("content", ["text", "empty", "truncated", "code", "whole module", "list"])
def test_files_that_are_no_state_dict_are_model_errors(vit: Any, vit_file: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.pt"
    if content == "text":
        path.write_text("these are not the weights")
    elif content == "empty":
        path.touch()
    elif content == "truncated":
        path.write_bytes(vit_file.read_bytes()[:100_000])
    else:
        torch.save({"code": {"x": Surprise()}, "whole module": vit, "list": [torch.zeros(1)]}[content], path)
    with pytest.raises(ModelError, match=str(path)):
        load(path)


def test_damaged_safetensors_is_a_model_error(tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(ModelError, match=r"bad\.safetensors cannot be read"):
        load(tmp_path / "bad.safetensors")


def test_unknown_architecture_is_answered_with_close_ones(vit_file: Path) -> None:
    with pytest.raises(UsageError, match="ViT-B-32"):
        load(vit_file, "ViT-B32")


def test_tower_without_comparable_patches_says_so() -> None:
    with pytest.raises(ModelError, match="no patch embeddings") as caught:
        patch_features(torch.nn.Identity(), torch.zeros(1, 3, 8, 8), "convnext_base")
    assert caught.value.data == {"architecture": "convnext_base"}


def test_identity_names_architecture_weights_and_preprocessing(model: OpenClipModel) -> None:
    assert model.identity.key == (
        f"tiny-vit|{'0' * 64}|bicubic 64px mean (0.48145466, 0.4578275, 0.40821073) "
        "std (0.26862954, 0.26130258, 0.27577711)"
    )


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu_to_half_precision(vit_file: Path, model: OpenClipModel) -> None:
    cuda = load_open_clip("tiny-vit", vit_file, model_id="tiny", weights="0" * 64, device=torch.device("cuda"))
    images = random_images(2, 64)
    on_cpu = model.encode_patches(model.preprocess(images))
    on_cuda = cuda.encode_patches(cuda.preprocess(images))
    assert on_cuda.dtype == torch.float32
    torch.testing.assert_close(on_cuda.cpu(), on_cpu, atol=2e-2, rtol=0)
