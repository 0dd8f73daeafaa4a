"""MPS-CLIP around unedited CLIPs of open_clip: identity when fresh, frozen below, whole when copied."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from pathlib import Path

import open_clip
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from engine.errors import ModelError
from engine.models.mps_clip.mpr import PerspectiveHeads
from engine.models.mps_clip.network import MpsClip
from engine.models.open_clip_backbone import architecture_config, build_net, patch_features
from tests.support.tiny_clip import CONFIGS, stir, tiny_clip

VITS = ["tiny-quickgelu", "tiny-gelu"]
WORDS = ["an airport", "tennis courts beside a parking lot, and a pond"]


def mps_clip(name: str = "tiny-quickgelu") -> MpsClip:
    return MpsClip(tiny_clip(name), bottleneck=16, adapter_heads=4, views=3).eval()


def stirred(name: str = "tiny-quickgelu") -> MpsClip:
    model = mps_clip(name)
    stir(model.new_parameters())
    return model


def images(name: str = "tiny-quickgelu", count: int = 2, seed: int = 0) -> Tensor:
    side = CONFIGS[name]["vision_cfg"]["image_size"]
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def tokens() -> Tensor:
    ids: Tensor = open_clip.get_tokenizer("ViT-B-32")(WORDS)
    return ids


def everything(model: MpsClip) -> Iterator[Tensor]:
    found, said = model.embed_images(images()), model.embed_texts(tokens())
    yield from (found.whole, found.patches, said.whole, said.words)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", VITS)
def test_fresh_adapters_leave_every_embedding_bit_identical(name: str, training: bool) -> None:
    plain = tiny_clip(name).train(training).requires_grad_(False)
    model = mps_clip(name).train(training)
    with torch.no_grad():
        found, said = model.embed_images(images(name)), model.embed_texts(tokens())
        assert torch.equal(found.whole, plain.encode_image(images(name), normalize=True))
        assert torch.equal(said.whole, plain.encode_text(tokens(), normalize=True))
        patches = normalize(patch_features(plain.visual, images(name), name).flatten(1, 2), dim=-1)
        assert torch.equal(found.patches, patches)
        hidden = plain.forward_intermediates(text=tokens(), text_indices=1, normalize_intermediates=True)
        words = normalize(hidden["text_intermediates"][-1] @ plain.text_projection, dim=-1)
        assert torch.equal(said.words, words)
        # open_clip's own ways through the model pass the adapters, and are as they were.
        assert torch.equal(model.clip.encode_image(images(name)), plain.encode_image(images(name)))
        assert torch.equal(model.clip.encode_text(tokens()), plain.encode_text(tokens()))


def test_shapes_lengths_and_the_end_of_text() -> None:
    model = stirred()
    with torch.no_grad():
        found, said = model.embed_images(images()), model.embed_texts(tokens())
    assert (found.whole.shape, found.patches.shape) == ((2, 24), (2, 9, 24))
    assert (said.whole.shape, said.words.shape) == ((2, 24), (2, 77, 24))
    for features in (found.whole, found.patches, said.whole, said.words):
        torch.testing.assert_close(features.norm(dim=-1), torch.ones(features.shape[:-1]))
    end = tokens().argmax(1)
    torch.testing.assert_close(said.words[torch.arange(2), end], said.whole)


def test_every_block_of_both_towers_has_an_adapter_that_acts() -> None:
    model = mps_clip()
    assert len(model.adapters()) == 4
    with torch.no_grad():
        before = list(everything(model))
        for index, adapter in enumerate(model.adapters()):
            adapter.up_proj.bias[0] += 1
            after = list(everything(model))
            changed = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
            assert changed == ([True, True, False, False] if index < 2 else [False, False, True, True])
            adapter.up_proj.bias.zero_()


def test_only_adapters_and_heads_learn_and_the_gradient_reaches_the_first_block() -> None:
    model = stirred().train()
    new = {id(parameter) for parameter in model.new_parameters()}
    regions, mask = images(count=4).reshape(2, 2, 3, 48, 48), torch.tensor([[1, 0], [1, 1]])
    embedded = model.embed_regions(regions, mask)
    views = model.views(embedded.sum(1))
    (model.embed_texts(tokens()).whole @ views.transpose(1, 2)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (id(parameter) in new), name
        assert (parameter.grad is not None) == (id(parameter) in new), name
    first = model.adapters()[0].down_proj.weight.grad
    assert first is not None and first.abs().sum() > 0


def test_gradient_checkpoints_pass_the_adapters_too() -> None:
    model = stirred()
    loss = sum(features.square().sum() * features.sum() for features in everything(model))
    plain = torch.autograd.grad(loss, [a.gate for a in model.adapters()])
    model.clip.set_grad_checkpointing(True)
    loss = sum(features.square().sum() * features.sum() for features in everything(model))
    torch.testing.assert_close(torch.autograd.grad(loss, [a.gate for a in model.adapters()]), plain)


def test_invalid_regions_are_zero_and_never_computed() -> None:
    model = stirred()
    regions = images(count=6).reshape(2, 3, 3, 48, 48)
    mask = torch.tensor([[False, True, False], [True, False, True]])
    regions[~mask] = torch.nan  # would spread if it entered the tower
    with torch.no_grad():
        embedded = model.embed_regions(regions, mask)
        alone = model.embed_images(regions[mask]).whole
    torch.testing.assert_close(embedded[mask], alone)
    assert embedded[~mask].count_nonzero() == 0
    nothing = model.embed_regions(regions, torch.zeros_like(mask))
    assert nothing.shape == (2, 3, 24) and nothing.count_nonzero() == 0


def test_deep_copy_has_adapters_of_its_own() -> None:
    model = stirred()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        before = list(everything(model))
        stir(twin.new_parameters(), seed=5)
        assert all(torch.equal(a, b) for a, b in zip(before, everything(model), strict=True))
        assert not any(torch.equal(a, b) for a, b in zip(before, everything(twin), strict=True))


def test_saved_whole_or_as_a_state_it_comes_back_the_same() -> None:
    model = stirred()
    whole, state = io.BytesIO(), io.BytesIO()
    torch.save(model, whole)
    torch.save(model.state_dict(), state)
    whole.seek(0), state.seek(0)
    other = mps_clip()
    other.load_state_dict(torch.load(state, weights_only=True), strict=True)
    for twin in (torch.load(whole, weights_only=False), other):
        with torch.no_grad():
            pairs = zip(everything(model), everything(twin), strict=True)
            assert all(torch.equal(a, b) for a, b in pairs)


def test_train_and_eval_reach_the_adapters() -> None:
    model = stirred().train()
    assert all(adapter.global_attention.drop_path.training for adapter in model.adapters())
    assert not any(adapter.global_attention.drop_path.training for adapter in model.eval().adapters())


def test_bfloat16_autocast_stays_close_to_float32() -> None:
    model = stirred()
    with torch.no_grad():
        exact = list(everything(model))
        with torch.autocast("cpu", torch.bfloat16):
            rough = list(everything(model))
    for a, b in zip(exact, rough, strict=True):
        assert b.dtype == torch.float32
        torch.testing.assert_close(a, b, atol=0.05, rtol=0)


def test_state_of_adapters_and_heads_bears_the_released_names() -> None:
    model = stirred()
    state = model.adapter_state_dict()
    assert len(state) == len(model.new_parameters())
    assert "model.visual.transformer.resblocks.1.g2adapter.global_attention.mlp.fc1.conv.weight" in state
    assert {name for name in state if name.startswith("mpr_head.")} == {
        f"mpr_head.heads.{k}.{layer}.{part}" for k in range(3) for layer in (0, 2) for part in ("weight", "bias")
    }
    other = mps_clip()
    other.load_adapter_state_dict(state, Path("a.safetensors"))
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(everything(model), everything(other), strict=True))
    del state["mpr_head.heads.2.0.bias"]
    with pytest.raises(ModelError, match=r"a\.safetensors does not fit .*missing mpr_head\.heads\.2\.0\.bias"):
        other.load_adapter_state_dict(state, Path("a.safetensors"))


@pytest.mark.parametrize("change", ["missing", "unexpected", "shape"])
def test_released_state_loads_strictly(change: str) -> None:
    model, name = stirred(), "model.transformer.resblocks.1.g2adapter.gate"
    state = dict(model.released_state_dict())
    if change == "missing":
        del state[name]
    elif change == "unexpected":
        state["model.transformer.resblocks.1.g2adapter.gates"] = state[name]
    else:
        state[name] = torch.zeros(2)
    with pytest.raises(ModelError, match=r"resblocks\.1\.g2adapter\.gate"):
        mps_clip().load_released_state_dict(state, Path("released.pt"))


def test_released_tables_of_positions_are_ignored() -> None:
    model, other = stirred(), mps_clip()
    state = dict(model.released_state_dict())
    for tower in ("model.visual.transformer", "model.transformer"):
        state[f"{tower}.resblocks.0.g2adapter.global_attention.attn.pos_enc.pe"] = torch.zeros(1, 10000, 16)
    state["temp"] = torch.tensor([0.03])  # a vector of one for a number
    other.load_released_state_dict(state, Path("released.pt"))
    assert float(other.temperature) == pytest.approx(0.03)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(everything(model), everything(other), strict=True))


def test_towers_without_class_token_and_second_adapters_are_refused() -> None:
    with pytest.raises(ModelError, match="is no CLIP whose image tower is a ViT"):
        MpsClip(tiny_clip("tiny-resnet-clip"))
    with pytest.raises(ModelError, match="has adapters already"):
        MpsClip(mps_clip().clip)


def test_vit_b_32_trains_eleven_million_parameters() -> None:
    with torch.device("meta"):
        model = MpsClip(build_net(architecture_config("ViT-B-32-quickgelu")))  # type: ignore[arg-type]
    counts = [sum(parameter.numel() for parameter in adapter.parameters()) for adapter in model.adapters()]
    assert counts == [413_697] * 12 + [347_905] * 12
    assert sum(parameter.numel() for parameter in model.new_parameters()) == 11_240_472


def test_views_are_independent_heads_of_unit_length() -> None:
    heads = PerspectiveHeads(8, views=5)
    views = heads(torch.randn(3, 8))
    assert views.shape == (5, 3, 8)
    torch.testing.assert_close(views.norm(dim=-1), torch.ones(5, 3))
    assert all(not torch.allclose(views[0], views[k]) for k in range(1, 5))
    for name, parameter in heads.named_parameters():
        # Xavier-uniform: evenly within ±√(6 / (E + E)).
        bound = (6 / 16) ** 0.5
        largest = float(parameter.detach().abs().max())
        assert largest == 0 if name.endswith("bias") else 0.8 * bound < largest <= bound


def test_view_of_the_zero_vector_is_a_number() -> None:
    assert PerspectiveHeads(8)(torch.zeros(1, 8)).isfinite().all()  # biases are zero: 0 / (0 + 1e-8)
