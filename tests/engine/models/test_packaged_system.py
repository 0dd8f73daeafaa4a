"""Parts on the packaged model: fresh ones change nothing, trained ones load as they were, others are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import ModelError
from engine.models.catalogue import DEFAULT_MODEL, catalogue, read_catalogue
from engine.models.compact.parts_file import FORMAT, write_parts
from engine.models.compact.system import ADAPTED_POSITIONS, CompactSystem
from engine.models.compact.system_parts import SystemParts
from engine.models.contract import ModelIdentity
from engine.models.packaged import PackagedModel
from engine.models.packaged_system import PackagedSystem
from engine.models.registry import load_model
from engine.resources import resource_path
from tests.support.rsicd import COLOURS

BASE = resource_path("models", "rsicd-mini.safetensors")
IDENTITY = ModelIdentity("prior-mini", "compact", "0" * 64, "test")
CPU = torch.device("cpu")
PRIOR = SystemParts(spatial_pae=True, temporal_pae=True, scenes=30)
OSDPM = SystemParts(dapn=True)
EVERYTHING = SystemParts(1, text_blocks=1, views=4, spatial_pae=True, temporal_pae=True, scenes=30, dapn=True)
TEXTS = ["a red ground", "green land with a long row of many small houses beside it", "blue"]


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 12, (3, 224, 224, 3))
    return np.clip(np.array(list(COLOURS.values())[:3])[:, None, None] + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def plain() -> PackagedModel:
    loaded = load_model(DEFAULT_MODEL, "cpu")
    assert isinstance(loaded, PackagedModel)
    return loaded


def system_of(parts: SystemParts, seed: int, size: float) -> CompactSystem:
    """A system whose parts are drawn at random; 0: as they begin."""
    torch.manual_seed(seed)
    system = CompactSystem(parts)
    if size:
        with torch.no_grad():
            for parameter in system.parameters():
                parameter.add_(size * torch.randn_like(parameter))
    return system


def loaded(file: Path, parts: SystemParts, size: float, base: str = "b" * 64) -> PackagedSystem:
    write_parts(file, system_of(parts, 0, size), "b" * 64, {})
    return PackagedSystem(BASE, file, base, IDENTITY, 192, CPU)


def test_fresh_parts_leave_the_model_as_it_is(tmp_path: Path, pictures: np.ndarray, plain: PackagedModel) -> None:
    model = loaded(tmp_path / "all.safetensors", EVERYTHING, 0.0)
    prepared = model.preprocess(pictures)
    torch.testing.assert_close(model.encode_images(prepared), plain.encode_images(prepared), atol=1e-5, rtol=0)
    torch.testing.assert_close(model.encode_patches(prepared), plain.encode_patches(prepared), atol=1e-5, rtol=0)
    torch.testing.assert_close(model.encode_texts(TEXTS), plain.encode_texts(TEXTS), atol=1e-5, rtol=0)
    assert "max_view" in model.score_modes


@pytest.mark.parametrize("parts", [PRIOR, OSDPM], ids=["prior", "osdpm"])
def test_parts_act_are_small_and_keep_the_contract(
    parts: SystemParts, tmp_path: Path, pictures: np.ndarray, plain: PackagedModel
) -> None:
    file = tmp_path / "parts.safetensors"
    model = loaded(file, parts, 0.02)
    assert file.stat().st_size < 2_000_000
    prepared = model.preprocess(pictures)
    images, patches, texts = model.encode_images(prepared), model.encode_patches(prepared), model.encode_texts(TEXTS)
    assert (images.shape, patches.shape, texts.shape) == ((3, 512), (3, 6, 6, 512), (3, 512))
    for embeddings in (images, patches, texts):
        torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(embeddings.shape[:-1]))
    assert float((images - plain.encode_images(prepared)).abs().max()) > 1e-3
    changed = float((texts - plain.encode_texts(TEXTS)).abs().max())
    assert changed > 1e-3 if parts.temporal_pae else changed < 1e-5
    # A text's embedding does not depend on its company, nor a picture's.
    torch.testing.assert_close(model.encode_texts(TEXTS[:1])[0], texts[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(model.encode_images(prepared[:1])[0], images[0], atol=2e-2, rtol=0)


@torch.no_grad()
def test_adapted_texts_do_not_depend_on_padding() -> None:
    system = system_of(SystemParts(adapter_bottleneck=64, text_blocks=1), 0, 0.05).eval()
    states = torch.randn(1, ADAPTED_POSITIONS + 4, 384)
    mask = torch.ones(states.shape[:2], dtype=torch.bool)
    short = system.embed_texts(states[:, :5], mask[:, :5])
    padded = system.embed_texts(states, mask & (torch.arange(states.shape[1]) < 5))
    torch.testing.assert_close(short, padded)
    assert float((system.embed_texts(states, mask) - short).abs().max()) > 1e-3


def test_parts_of_other_weights_and_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "parts.safetensors"
    with pytest.raises(ModelError, match="was trained on other packaged weights"):
        loaded(file, OSDPM, 0.0, base="c" * 64)
    with pytest.raises(ModelError, match=f"not '{FORMAT}'"):
        PackagedSystem(BASE, BASE, "b" * 64, IDENTITY, 192, CPU)
    file.write_bytes(b"cut")
    with pytest.raises(ModelError, match="cannot be read"):
        PackagedSystem(BASE, file, "b" * 64, IDENTITY, 192, CPU)


def test_parts_are_in_the_catalogue_where_their_file_is() -> None:
    file = resource_path("models.json")
    listed = [entry for entry in read_catalogue(file).models if entry.kind == "compact_parts"]
    assert [entry.id for entry in listed] == ["prior-mini", "osdpm-mini"]
    for entry in listed:
        here = resource_path("models", entry.source.filename).is_file()
        assert (entry.id in catalogue().ids) == here
    assert json.loads(file.read_text("utf-8"))["models"][0]["id"] == DEFAULT_MODEL
