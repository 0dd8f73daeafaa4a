"""samgeo's LangSAM behind the contract, on a small GroundingDINO and a small SAM with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.errors import MissingDependencyError, ModelError
from engine.segment.samgeo.contained import contained, samgeo_module
from engine.segment.samgeo.langsam import LangSamSegmenter
from engine.segment.samgeo.outlines import clip_boxes
from engine.segment.samgeo.weights import DINO
from engine.types import UInt8Array
from tests.support.segments import KEYWORDS, check_quiet_contract

pytestmark = pytest.mark.slow  # GroundingDINO enlarges every image to 800 pixels

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def segmenter(langsam_weights: Path) -> LangSamSegmenter:
    return LangSamSegmenter(langsam_weights, "vit_b", CPU)


@pytest.mark.usefixtures("no_network")
def test_two_tiles_and_two_keywords_each(
    segmenter: LangSamSegmenter, tiles: list[UInt8Array], capfd: pytest.CaptureFixture[str]
) -> None:
    check_quiet_contract(segmenter, tiles, capfd)


def test_several_keywords_at_once_are_as_langsam_finds_each_alone(
    segmenter: LangSamSegmenter, tiles: list[UInt8Array]
) -> None:
    segments = segmenter.segment(tiles[1:], [KEYWORDS[1]])[0]
    langsam = segmenter._model
    assert "samgeo.text_sam" in {base.__module__ for base in type(langsam).__mro__}
    image = Image.fromarray(tiles[1])
    with contained():
        boxes, scores, _ = langsam.predict_dino(image, "sand", 0.1, 0.24)
        clipped, usable = clip_boxes(boxes, *tiles[1].shape[:2])
        masks = langsam.predict_sam(image, torch.from_numpy(clipped[usable]))
    assert usable.any()
    assert segments[1].score == pytest.approx(float(scores[torch.from_numpy(usable)].max()), abs=1e-5)
    assert (segments[1].mask == masks.numpy().any((0, 1))).mean() > 0.999


def test_what_is_not_found_has_no_segment(langsam_weights: Path, tiles: list[UInt8Array]) -> None:
    strict = LangSamSegmenter(langsam_weights, "vit_b", CPU, box_threshold=1.0)
    assert strict.segment(tiles[:1], KEYWORDS[:1]) == [[]]


def test_weights_with_a_missing_tensor_are_refused(langsam_weights: Path, tmp_path: Path) -> None:
    for file in langsam_weights.rglob("*"):
        if file.is_file():
            copy = tmp_path / file.relative_to(langsam_weights)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(file.read_bytes())
    content = torch.load(tmp_path / DINO.needed[0], weights_only=True)
    del content["model"]["feat_map.weight"]
    torch.save(content, tmp_path / DINO.needed[0])
    with pytest.raises(ModelError, match=r"feat_map\.weight.*mpsclip segmenters fetch langsam"):
        LangSamSegmenter(tmp_path, "vit_b", CPU).segment([np.zeros((32, 32, 3), np.uint8)], [["water"]])


def test_identity_follows_thresholds_and_weights(langsam_weights: Path) -> None:
    identity = LangSamSegmenter(langsam_weights, "vit_b", CPU).identity
    assert identity.startswith("langsam-1(box=0.1,text=0.24,dino=")
    assert ",vit_b=" in identity
    assert LangSamSegmenter(langsam_weights, "vit_b", CPU, box_threshold=0.2).identity != identity


def test_samgeo_installs_nothing(samgeo_installed: None) -> None:
    with contained(), pytest.raises(MissingDependencyError, match="nothing is installed"):
        samgeo_module("samgeo.text_sam").install_package("anything")


def test_the_text_encoder_is_bert_where_every_token_sees_every_other(samgeo_installed: None) -> None:
    from transformers import BertConfig, BertModel

    from engine.segment.samgeo.dino import TextEncoder

    torch.manual_seed(0)
    config = BertConfig(vocab_size=20, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    bert = BertModel(config).eval()
    ids, positions = torch.tensor([[2, 7, 8, 5, 9, 3]]), torch.tensor([[0, 1, 2, 3, 4, 5]])
    encoder = TextEncoder(bert)
    everything = torch.ones(1, 6, 6, dtype=torch.bool)
    with torch.inference_mode():
        expected = bert(ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        found = encoder(ids, everything, torch.zeros_like(ids), positions)["last_hidden_state"]
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
        apart = everything.clone()
        apart[:, :3, 3:] = apart[:, 3:, :3] = False
        first = encoder(ids, apart, torch.zeros_like(ids), positions)["last_hidden_state"][:, :3]
        other = encoder(ids + torch.tensor([0, 0, 0, 1, 1, 1]), apart, torch.zeros_like(ids), positions)
        torch.testing.assert_close(other["last_hidden_state"][:, :3], first, atol=1e-6, rtol=0)
        assert not torch.allclose(first, expected[:, :3], atol=1e-4)
