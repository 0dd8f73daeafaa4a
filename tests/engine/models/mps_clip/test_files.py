"""Files of adapters, released checkpoints, and what ``--model mps_clip:FILE[@BACKBONE]`` makes of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.errors import DownloadError, ModelError, OutputError, UsageError
from engine.models.contract import ScoreMode, region_mean
from engine.models.mps_clip.adapter_file import load_adapters, save_adapters
from engine.models.mps_clip.build import BuiltMpsClip, build_from_catalogue, build_mps_clip
from engine.models.mps_clip.retrieval import MpsClipModel
from engine.models.open_clip_backbone import architecture_config, build_net, load_open_clip
from engine.models.registry import load_model
from engine.models.weights import file_sha256
from tests.support.naive_mps_clip import Sizes, random_weights
from tests.support.tiny_clip import CONFIGS, stir, tiny_clip

NAME = "tiny-quickgelu"
SIZES = {"bottleneck": 16, "adapter_heads": 4, "views": 3}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backbone") / "clip.pt"
    torch.save(tiny_clip(NAME).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def built(backbone: Path) -> BuiltMpsClip:
    built = build_mps_clip(NAME, backbone, temperature=0.05, **SIZES)
    stir(built.model.new_parameters())
    return built


@pytest.fixture
def file(built: BuiltMpsClip, tmp_path: Path) -> Path:
    path = tmp_path / "trained.safetensors"
    save_adapters(path, built, ScoreMode.FUSED)
    return path


def load(given: str) -> MpsClipModel:
    model = load_model(f"mps_clip:{given}", device="cpu")
    assert isinstance(model, MpsClipModel)
    return model


def test_file_holds_adapters_and_heads_alone_and_names_the_backbone(
    built: BuiltMpsClip, backbone: Path, file: Path
) -> None:
    state = load_file(file)
    assert state.keys() == built.model.adapter_state_dict().keys()
    assert sum(tensor.numel() for tensor in state.values()) == sum(p.numel() for p in built.model.new_parameters())
    with safe_open(file, "pt") as stored:
        metadata = stored.metadata()
    assert metadata["architecture"] == NAME
    assert metadata["backbone_sha256"] == file_sha256(backbone)
    assert metadata["backbone_name"] == "clip.pt"
    assert (metadata["bottleneck"], metadata["adapter_heads"], metadata["views"]) == ("16", "4", "3")
    assert float(metadata["temperature"]) == pytest.approx(0.05)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_loaded_adapters_give_the_same_embeddings(built: BuiltMpsClip, backbone: Path, file: Path) -> None:
    other = build_mps_clip(NAME, backbone, seed=9, **SIZES)
    load_adapters(other, file)
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        assert torch.equal(built.model.eval().embed_images(images).whole, other.model.eval().embed_images(images).whole)


def test_another_backbone_is_refused(file: Path, tmp_path: Path, backbone: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save(tiny_clip(NAME, seed=1).state_dict(), path)
    with pytest.raises(ModelError, match=r"trained on the backbone clip\.pt .*not on other\.pt") as caught:
        load_adapters(build_mps_clip(NAME, path, **SIZES), file)
    assert (caught.value.data["expected"], caught.value.data["sha256"]) == (file_sha256(backbone), file_sha256(path))
    with pytest.raises(ModelError, match="not on other"):
        load(f"{file}@{path}")


def test_same_weights_under_another_architecture_are_refused(file: Path, backbone: Path, built: BuiltMpsClip) -> None:
    renamed = built._replace(backbone=type(built.backbone)("ViT-B-32", built.backbone.sha256, "clip.pt"))
    with pytest.raises(ModelError, match=r"tiny-quickgelu.*not on clip\.pt \(ViT-B-32"):
        load_adapters(renamed, file)


def test_unwritable_folder_is_an_output_error(built: BuiltMpsClip, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        save_adapters(tmp_path / "none" / "a.safetensors", built)


def test_random_backbone_is_the_seeds_and_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    tiny_clip(NAME)  # makes the name known
    torch.manual_seed(3)
    first = build_mps_clip(NAME, None, seed=5, **SIZES)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))
    again, other = build_mps_clip(NAME, None, seed=5, **SIZES), build_mps_clip(NAME, None, seed=6, **SIZES)
    assert first.backbone == again.backbone and first.backbone.name == "random:5"
    assert first.backbone.sha256 != other.backbone.sha256
    stir(first.model.new_parameters())
    path = tmp_path / "trial.safetensors"
    save_adapters(path, first)
    images = torch.randn(1, 3, 48, 48)
    with torch.no_grad():
        expected = first.model.eval().embed_images(images).whole
    torch.testing.assert_close(load(str(path)).encode_images(images), expected)


def test_architecture_may_be_open_clips_description(tmp_path: Path) -> None:
    described = json.dumps(CONFIGS[NAME])
    built = build_mps_clip(described, None, seed=5, **SIZES)
    assert built.backbone.sha256 == build_mps_clip(NAME, None, seed=5, **SIZES).backbone.sha256
    save_adapters(tmp_path / "trial.safetensors", built)
    assert load(f"{tmp_path / 'trial.safetensors'}").encode_texts(["pond"]).shape == (1, 24)


@pytest.mark.parametrize("text", ["{", "{}", '{"embed_dim": 8, "vision_cfg": {"side": 3}, "text_cfg": {}}'])
def test_description_of_no_architecture_is_wrong_use(text: str) -> None:
    with pytest.raises(UsageError, match=r"open_clip cannot build the architecture \{"):
        build_mps_clip(text, None)


def test_model_fulfils_the_contract(built: BuiltMpsClip, backbone: Path, file: Path) -> None:
    model = load(f"{file}@{backbone}")
    assert (model.image_size, model.embed_dim, model.default_mode) == (48, 24, ScoreMode.FUSED)
    images = model.preprocess(np.random.default_rng(0).integers(0, 256, (2, 60, 60, 3), dtype=np.uint8))
    texts = ["an airport", "a pond beside a road"]
    with torch.no_grad():
        found = built.model.eval().embed_images(images)
        said = built.model.embed_texts(built.tokenizer(texts))
    torch.testing.assert_close(model.encode_images(images), found.whole)
    torch.testing.assert_close(model.encode_patches(images), found.patches.reshape(2, 3, 3, 24))
    torch.testing.assert_close(model.encode_texts(texts), said.whole)
    regions = torch.randn(2, 2, 3, 48, 48)
    mask = torch.tensor([[True, False], [False, False]])
    with torch.no_grad():
        expected = built.model.embed_regions(regions, mask)
    torch.testing.assert_close(model.encode_regions(regions, mask), expected)


def test_scores_of_all_modes(built: BuiltMpsClip, backbone: Path, file: Path) -> None:
    model = load(f"{file}@{backbone}")
    assert model.score_modes == (ScoreMode.GLOBAL, ScoreMode.FUSED, ScoreMode.MAX_VIEW)
    random = torch.Generator().manual_seed(0)
    unit = torch.nn.functional.normalize
    i, t = unit(torch.randn(3, 24, generator=random), dim=1), unit(torch.randn(4, 24, generator=random), dim=1)
    r = unit(torch.randn(3, 2, 24, generator=random), dim=2)
    mask = torch.tensor([[True, True], [False, True], [False, False]])
    with torch.no_grad():
        views = built.model.views(region_mean(r, mask))
    scores = {mode: model.score(i, t, r, mask, mode) for mode in ScoreMode}
    for a in range(3):
        for q in range(4):
            whole = float(i[a] @ t[q])
            best = max(float(views[k, a] @ t[q]) for k in range(3))
            mean = [r[0].mean(0), r[1, 1], torch.zeros(24)][a]
            mean = mean / mean.norm().clamp_min(1e-12)
            fused = float(unit(0.5 * (i[a] + mean), dim=0) @ t[q])
            assert float(scores[ScoreMode.GLOBAL][a, q]) == pytest.approx(whole, abs=1e-6)
            assert float(scores[ScoreMode.FUSED][a, q]) == pytest.approx(fused, abs=1e-6)
            expected = whole if a == 2 else 0.5 * whole + 0.5 * best
            assert float(scores[ScoreMode.MAX_VIEW][a, q]) == pytest.approx(expected, abs=1e-6)
    assert torch.equal(model.score(i, t, mode=ScoreMode.MAX_VIEW), i @ t.T)


def test_identity_depends_on_adapters_and_backbone(built: BuiltMpsClip, backbone: Path, file: Path) -> None:
    model = load(f"{file}@{backbone}")
    both = f"{file_sha256(backbone)} {file_sha256(file)}"
    assert model.identity.weights == hashlib.sha256(both.encode()).hexdigest()
    assert model.identity.model_id == "mps_clip:trained.safetensors"
    assert model.identity.architecture == "mps_clip tiny-quickgelu"
    plain = load_open_clip(NAME, backbone, model_id="plain", weights=file_sha256(backbone), device=torch.device("cpu"))
    assert model.identity.key != plain.identity.key
    assert model.identity.preprocessing == plain.identity.preprocessing


def test_backbone_beside_the_file_is_found(file: Path, backbone: Path) -> None:
    with pytest.raises(ModelError, match=r"needs its backbone clip\.pt .*@BACKBONE"):
        load(str(file))
    (file.parent / "clip.pt").write_bytes(backbone.read_bytes())
    assert load(str(file)).embed_dim == 24


def test_file_whose_name_has_the_sign_is_no_pair(file: Path, backbone: Path) -> None:
    (file.parent / "clip.pt").write_bytes(backbone.read_bytes())
    odd = file.rename(file.with_name("a@b.safetensors"))
    assert load(str(odd)).identity.model_id == "mps_clip:a@b.safetensors"
    assert load(f"{odd}@{backbone}").identity.model_id == "mps_clip:a@b.safetensors"


@pytest.mark.parametrize("given", ["", "@x.pt", "weights@"])
def test_incomplete_form_is_answered_with_an_example(given: str) -> None:
    with pytest.raises(UsageError, match=r"not of the form mps_clip:FILE or mps_clip:FILE@BACKBONE.*For example"):
        load(given)


def test_missing_file_and_unknown_backbone_are_named(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no weight file .*none\.safetensors"):
        load(str(tmp_path / "none.safetensors"))
    with pytest.raises(UsageError, match="'openai-vit-b-33' is neither a file nor a model of the catalogue"):
        load(f"{file}@openai-vit-b-33")


def test_model_of_the_catalogue_that_is_no_clip_is_no_backbone(file: Path) -> None:
    with pytest.raises(ModelError, match=r"rsicd-mini is no CLIP .*openai-vit-b-32, remoteclip-vit-b-32"):
        build_from_catalogue("rsicd-mini")


def test_backbone_that_cannot_be_fetched_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match=r"fetch ckpt/RS5M_ViT-B-32_RET-2\.pt .*models/georsclip-ret-2-vit-b-32"):
        build_from_catalogue("georsclip-ret-2-vit-b-32")


@pytest.mark.slow
def test_vit_b_32_of_the_catalogue_carries_fresh_adapters(user_data_folder: Path) -> None:
    """The real architecture, from a file of all its tensors put there by hand, in half precision as published."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in build_net(architecture_config("ViT-B-32")).state_dict().items()}
    path = user_data_folder / "models" / "georsclip-ret-2-vit-b-32" / "RS5M_ViT-B-32_RET-2.pt"
    path.parent.mkdir(parents=True)
    torch.save({name: torch.tensor(0.0156, dtype=torch.half).expand(shape) for name, shape in shapes.items()}, path)
    built = build_from_catalogue("georsclip-ret-2-vit-b-32")
    assert (built.backbone.architecture, built.backbone.name, built.image_size) == (
        "ViT-B-32-quickgelu",
        "georsclip-ret-2-vit-b-32",
        224,
    )
    assert built.backbone.sha256 == file_sha256(path)
    value = torch.tensor(0.0156, dtype=torch.half).float()
    state = built.model.released_state_dict()
    assert torch.equal(state["model.visual.proj"], value.expand(768, 512))
    assert state["model.visual.transformer.resblocks.11.g2adapter.up_proj.weight"].count_nonzero() == 0
    assert built.tokenizer(["pond"]).shape == (1, 77)


def test_released_checkpoint_is_loaded_with_its_own_backbone(tmp_path: Path) -> None:
    sizes = Sizes(
        vision_width=64, head_width=64, text_width=64, text_heads=1, context=77, vocabulary=49408, bottleneck=32,
        adapter_heads=8, mlp_ratio=4, quick_gelu=True,
    )  # fmt: skip
    state = random_weights(sizes)
    for tower in ("model.visual", "model"):
        name = f"{tower}.transformer.resblocks.0.g2adapter.global_attention.attn.pos_enc.pe"
        state[name] = torch.zeros(1, 100, 32)
    path = tmp_path / "released.pt"
    torch.save(state, path)
    model = load(str(path))
    assert (model.image_size, model.embed_dim, model.default_mode) == (24, 24, ScoreMode.FUSED)
    assert len(model.model.mpr_head.heads) == 3
    assert model.encode_texts(["pond"]).shape == (1, 24)
    assert model.identity.architecture == "mps_clip ViT 2x64 patch 8 quickgelu"
    with pytest.raises(UsageError, match="Leave out @clip"):
        load(f"{path}@clip.pt")
    del state["model.ln_final.bias"]
    torch.save(state, path)
    with pytest.raises(ModelError, match=r"missing model\.ln_final\.bias"):
        load(str(path))


@pytest.mark.parametrize("architecture", [NAME, CONFIGS[NAME]])
def test_whole_network_of_a_training_is_described_by_its_metadata(
    built: BuiltMpsClip, tmp_path: Path, architecture: object
) -> None:
    path = tmp_path / "whole.safetensors"
    metadata = {"format": "mpsclip-whole-1", "architecture": json.dumps(architecture), "adapter_heads": "4"}
    save_file({name: value.contiguous() for name, value in built.model.released_state_dict().items()}, path, metadata)
    model, images = load(str(path)), torch.randn(1, 3, 48, 48)
    assert model.default_mode is ScoreMode.GLOBAL
    with torch.no_grad():
        torch.testing.assert_close(model.encode_images(images), built.model.eval().embed_images(images).whole)


def test_towers_of_unknown_heads_are_refused(built: BuiltMpsClip, tmp_path: Path) -> None:
    path = tmp_path / "narrow.safetensors"
    save_file({name: value.contiguous() for name, value in built.model.released_state_dict().items()}, path)
    with pytest.raises(ModelError, match="towers of the widths 32 and 16; CLIP's attention heads are 64 wide"):
        load(str(path))


def test_plain_clip_is_no_checkpoint_of_mps_clip(backbone: Path) -> None:
    with pytest.raises(ModelError, match=r"clip\.pt is no checkpoint of MPS-CLIP: missing model\."):
        load(str(backbone))


def test_damaged_metadata_are_named(file: Path, backbone: Path) -> None:
    with safe_open(file, "pt") as stored:
        metadata = dict(stored.metadata())
    save_file(load_file(file), file, {**metadata, "views": json.dumps("many")})
    with pytest.raises(ModelError, match=r"metadata of .*trained\.safetensors are wrong: .*views"):
        load(f"{file}@{backbone}")
