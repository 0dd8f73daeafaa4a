from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch

from engine.errors import ModelError, UsageError
from engine.models.registry import DEVICES, load_model, resolve_device
from engine.models.weights import file_sha256

CONFIG = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "patch_size": 16, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("registry")
    (folder / "registry-vit.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder)
    path = folder / "with space and ü.pt"
    torch.save(open_clip.create_model("registry-vit").state_dict(), path)
    return path


def test_local_checkpoint_is_loaded_and_named_by_its_hash(weights: Path) -> None:
    model = load_model(f"open_clip:registry-vit:{weights}", device="cpu")
    assert model.identity.model_id == "open_clip:registry-vit:with space and ü.pt"
    assert model.identity.weights == file_sha256(weights)
    assert model.encode_texts(["pond"]).shape == (1, 8)


@pytest.mark.parametrize("text", ["open_clip:", "open_clip:ViT-B-32", "open_clip:ViT-B-32:", "open_clip::x.pt"])
def test_incomplete_local_form_is_answered_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="For example open_clip:ViT-B-32:"):
        load_model(text, device="cpu")


def test_missing_local_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no weight file .*none\.pt"):
        load_model(f"open_clip:ViT-B-32:{tmp_path / 'none.pt'}", device="cpu")


def test_unknown_model_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="Known models: rsicd-mini"):
        load_model("clip-of-tomorrow", device="cpu")


def test_unknown_device_lists_the_possible_ones() -> None:
    with pytest.raises(UsageError, match=", ".join(DEVICES)):
        resolve_device("tpu")


def test_auto_takes_the_first_device_there_is() -> None:
    kinds = [("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available()), ("cpu", True)]
    assert resolve_device("auto").type == next(name for name, usable in kinds if usable)
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.gpu
def test_one_of_several_gpus_is_named_by_its_number() -> None:
    assert resolve_device("cuda:0") == torch.device("cuda", 0)
    with pytest.raises(UsageError, match=r"Available here: cuda:0"):
        resolve_device(f"cuda:{torch.cuda.device_count()}")


def test_a_gpu_that_no_machine_has_is_refused_with_those_that_are_here() -> None:
    with pytest.raises(UsageError, match="Device cuda:99 is not available") as caught:
        resolve_device("cuda:99")
    assert caught.value.data["available"][-1] == "cpu"


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_device_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    usable = torch.cuda.is_available() if name == "cuda" else torch.backends.mps.is_available()
    if usable:
        assert resolve_device(name).type == name
    else:
        with pytest.raises(UsageError, match=f"Device {name} is not available") as caught:
            resolve_device(name)
        assert caught.value.data["available"][-1] == "cpu"
