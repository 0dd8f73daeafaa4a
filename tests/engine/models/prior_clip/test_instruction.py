"""The prior as instruction token: against the same written out token by token, and through files to a search."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from open_clip.transformer import Transformer
from safetensors.torch import load_file
from torch import Tensor

from engine.errors import ModelError, UsageError
from engine.models.clip_backbone import BackboneSource
from engine.models.open_clip_backbone import architecture_config, build_net, load_open_clip
from engine.models.prior_clip.instruction import attach_instruction, given_prior, instruct, require_tower
from engine.models.prior_clip.instruction_file import (
    BuiltPriorClip,
    SceneReading,
    assemble,
    build_backbone,
    save_prior,
)
from engine.models.prior_clip.instruction_network import observe
from engine.models.prior_clip.scene_prior import ScenePrior
from engine.models.registry import load_model
from tests.support.tiny_clip import stir, tiny_clip

NAME = "tiny-quickgelu"  # 3x3 patches of 16 px, D = 32, E = 24
SCENES = ("port", "farm", "forest")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backbone") / "clip.pt"
    torch.save(tiny_clip(NAME).state_dict(), path)
    return path


def build(backbone: Path, *, whole: bool = True) -> BuiltPriorClip:
    """A model whose instruction, and with ``whole`` its CLIP, is not what it was when fresh."""
    torch.manual_seed(1)
    scene = SceneReading(ScenePrior(24, 6, len(SCENES)), SCENES, 61.5)
    built = assemble(build_backbone(BackboneSource(NAME, backbone)), scene, seed=3)
    stir(built.model.clip.visual.ln_pre.instruction.parameters())
    if whole:
        stir(built.model.clip.visual.transformer.parameters())
    built.model.eval()
    return built


def naive_sequence(tokens: Tensor, y: Tensor) -> Tensor:
    """One image: ``(L, D)`` and ``(D,)`` to ``(1 + L, D)``, in float64 and plain loops."""
    x, y = tokens.double(), y.double()
    products = [math.fsum(float(a * b) for a, b in zip(token, y, strict=True)) for token in x]
    powers = [math.exp(product - max(products)) for product in products]
    belief = [power / math.fsum(powers) for power in powers]
    order = sorted(range(len(x)), key=lambda i: -belief[i])
    scaled = torch.stack([x[i] * belief[i] + x[i] / math.sqrt(order[i] + 1) for i in range(len(x))])
    for channel in range(x.shape[1]):
        scaled[:, channel] /= math.sqrt(math.fsum(float(value) ** 2 for value in scaled[:, channel]))
    return torch.cat([y[None], scaled])


def test_sequence_is_that_of_the_description() -> None:
    random = torch.Generator().manual_seed(0)
    tokens, y = torch.randn(3, 7, 5, generator=random), torch.randn(3, 5, generator=random)
    found = instruct(tokens, y)
    expected = torch.stack([naive_sequence(x, of) for x, of in zip(tokens, y, strict=True)])
    torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(found[:, 1:].square().sum(1), torch.ones(3, 5))


def test_equal_beliefs_keep_their_order_and_half_precision_its_type() -> None:
    found = instruct(torch.ones(1, 4, 2, dtype=torch.float16), torch.zeros(1, 2, dtype=torch.float16))
    weights = torch.tensor([1 / 4 + 1 / math.sqrt(i + 1) for i in range(4)])
    assert found.dtype == torch.float16
    torch.testing.assert_close(found[0, 1:, 0].float(), weights / weights.norm(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("batch_first", [True, False])
def test_tower_runs_its_blocks_over_the_instructed_sequence(batch_first: bool, checkpointing: bool) -> None:
    """The whole tower by hand, on blocks that were never given an instruction, for both layouts of open_clip."""
    visual: Any = tiny_clip(NAME).visual
    plain = copy.deepcopy(visual)
    instruction = attach_instruction(visual, 6)
    stir(instruction.parameters())
    if not batch_first:
        # Sequence first: open_clip's transformer turns the tokens itself.
        turned: Any = Transformer(32, 2, 2, batch_first=False, act_layer=type(visual.transformer.resblocks[0].mlp.gelu))
        turned.load_state_dict(visual.transformer.state_dict())
        visual.transformer = turned
    visual.set_grad_checkpointing(checkpointing)
    images, prior = torch.randn(2, 3, 48, 48), torch.randn(2, 6)
    with torch.no_grad(), given_prior(prior):
        pooled = visual(images)
        found = visual.forward_intermediates(images, indices=1, normalize_intermediates=True, output_fmt="NLC")
    for i in range(2):
        with torch.no_grad():
            patches = plain.conv1(images[i : i + 1]).flatten(2)[0].T  # (9, 32)
            tokens = torch.cat([plain.class_embedding[None], patches]) + plain.positional_embedding
            y = instruction.map.weight @ prior[i] + instruction.map.bias
            x = naive_sequence(plain.ln_pre(tokens), y).float()[None]
            for block in plain.transformer.resblocks:
                h = block.ln_1(x)
                x = x + block.attn(h, h, h, need_weights=False)[0]
                x = x + block.mlp(block.ln_2(x))
            x = plain.ln_post(x)[0]
        torch.testing.assert_close(pooled[i], x[0] @ plain.proj, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found["image_features"][i], x[0] @ plain.proj, atol=1e-5, rtol=1e-5)
        # open_clip takes y off; the class token and the patches are left.
        torch.testing.assert_close(found["image_intermediates"][-1][i], x[1:], atol=1e-5, rtol=1e-5)
    with torch.no_grad():  # without a prior: the tower as it is, to the last bit where nothing is turned
        torch.testing.assert_close(visual(images), plain(images), rtol=0, atol=0 if batch_first else 1e-5)


def test_fresh_instruction_starts_at_the_class_token_and_copies_keep_their_own() -> None:
    visual: Any = tiny_clip(NAME).visual
    instruction = attach_instruction(visual, 6)
    with torch.no_grad():
        start = visual.ln_pre(visual.class_embedding + visual.positional_embedding[0])
    torch.testing.assert_close(instruction.map(torch.zeros(6)), start)
    twin, images, prior = copy.deepcopy(visual), torch.randn(1, 3, 48, 48), torch.randn(1, 6)
    stir(instruction.parameters())
    with torch.no_grad(), given_prior(prior):
        assert not torch.equal(visual(images), twin(images))


def test_gradients_reach_instruction_and_tower_but_no_observer(backbone: Path) -> None:
    model = build(backbone).model.train().requires_grad_(True)
    assert model.observer is not None and model.scene is not None
    assert not model.scene.training and not model.observer.training
    model.embed_images(torch.randn(2, 3, 48, 48))[0][:, 0].sum().backward()
    assert model.clip.visual.ln_pre.instruction.map.weight.grad.abs().max() > 0
    assert model.clip.visual.conv1.weight.grad.abs().max() > 0
    assert all(parameter.grad is None for part in (model.observer, model.scene) for parameter in part.parameters())


def test_prior_is_that_of_the_backbone_however_the_tower_was_trained(backbone: Path) -> None:
    model, images = build(backbone).model, torch.randn(2, 3, 48, 48)
    assert model.scene is not None
    untouched: Any = build_net(architecture_config(NAME)).eval()
    untouched.load_state_dict(torch.load(backbone))
    with torch.no_grad():
        expected = model.scene(observe(untouched.visual, images))[0]
    torch.testing.assert_close(model.prior(images), expected)


@pytest.mark.parametrize("whole", [True, False])
def test_search_loads_a_file_and_its_backbone(backbone: Path, tmp_path: Path, whole: bool) -> None:
    built = build(backbone, whole=whole)
    file = tmp_path / "best.safetensors"
    save_prior(file, built, whole=whole)
    names = load_file(file)
    assert not any(name.startswith("observer.") for name in names)
    assert any(name == "clip.visual.proj" for name in names) == whole
    model = load_model(f"prior_clip:{file}@{backbone}", device="cpu")
    assert (model.image_size, model.embed_dim) == (48, 24)
    images = model.preprocess(np.random.default_rng(0).integers(0, 256, (2, 60, 60, 3), dtype=np.uint8))
    with torch.no_grad():
        expected, patches = built.model.embed_images(images)
        texts = built.model.embed_texts(built.tokenizer(["a port"]))
    torch.testing.assert_close(model.encode_images(images), expected)
    torch.testing.assert_close(model.encode_patches(images), patches.reshape(2, 3, 3, 24))
    torch.testing.assert_close(model.encode_texts(["a port"]), texts)
    torch.testing.assert_close(model.encode_patches(images).norm(dim=-1), torch.ones(2, 3, 3))
    plain = load_open_clip(NAME, backbone, model_id="p", weights="w", device=torch.device("cpu"))
    assert (model.encode_images(images) - plain.encode_images(images)).abs().max() > 1e-3
    other = tmp_path / "other.pt"
    torch.save(tiny_clip(NAME, seed=5).state_dict(), other)
    with pytest.raises(ModelError, match=r"trained on the backbone clip\.pt .*Give that backbone's file: prior_clip:"):
        load_model(f"prior_clip:{file}@{other}", device="cpu")


def test_without_a_scene_prior_it_is_the_clip_alone(backbone: Path, tmp_path: Path) -> None:
    built = assemble(build_backbone(BackboneSource(NAME, backbone)), None)
    file = tmp_path / "coarse.safetensors"
    save_prior(file, built, whole=True)
    model = load_model(f"prior_clip:{file}@{backbone}", device="cpu")
    plain = load_open_clip(NAME, backbone, model_id="p", weights="w", device=torch.device("cpu"))
    images = torch.randn(2, 3, 48, 48)
    assert torch.equal(model.encode_images(images), plain.encode_images(images))
    torch.testing.assert_close(model.encode_patches(images), plain.encode_patches(images))


def test_second_stage_takes_over_the_first_ones_clip(backbone: Path, tmp_path: Path) -> None:
    first = assemble(build_backbone(BackboneSource(NAME, backbone)), None)
    stir(first.model.parameters())
    save_prior(tmp_path / "coarse.safetensors", first, whole=True)
    scene = SceneReading(ScenePrior(24, 6, 3), SCENES, None)
    second = assemble(
        build_backbone(BackboneSource(NAME, backbone)), scene, start=tmp_path / "coarse.safetensors"
    ).model
    assert torch.equal(second.clip.visual.proj, first.model.clip.visual.proj)
    untouched = torch.load(backbone)
    assert second.observer is not None
    assert torch.equal(dict(second.observer.named_parameters())["proj"], untouched["visual.proj"])
    with torch.no_grad():
        visual = second.clip.visual
        start = visual.ln_pre(visual.class_embedding + visual.positional_embedding[0])
    torch.testing.assert_close(visual.ln_pre.instruction.map.bias, start)  # the class token as the first stage left it


def test_what_is_no_fitting_clip_is_refused(tmp_path: Path, backbone: Path) -> None:
    tiny_clip(NAME)
    with pytest.raises(ModelError, match=r"is no CLIP whose image tower is a ViT that pools its first token"):
        require_tower(build_net(architecture_config("tiny-resnet-clip")), "tiny-resnet-clip")
    average = architecture_config(NAME)
    average["vision_cfg"]["pool_type"] = "avg"
    with pytest.raises(ModelError, match="pools its first token"):
        require_tower(build_net(average), "average")
    with pytest.raises(ModelError, match=r"clip\.pt is no file of PriorCLIP"):
        load_model(f"prior_clip:{backbone}", device="cpu")
    with pytest.raises(UsageError, match=r"not of the form prior_clip:FILE or prior_clip:FILE@BACKBONE"):
        load_model("prior_clip:", device="cpu")
