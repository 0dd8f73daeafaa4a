"""samgeo's SamGeo3 behind the contract, on a small SAM 3 with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import ModelError
from engine.segment.samgeo.sam3 import SamGeo3Segmenter
from engine.types import UInt8Array
from tests.support.segments import KEYWORDS, check_contract, check_quiet_contract

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def segmenter(sam3_weights: Path) -> SamGeo3Segmenter:
    return SamGeo3Segmenter(sam3_weights, CPU, confidence=0.2)


@pytest.mark.usefixtures("no_network")
def test_two_tiles_and_two_keywords_each(
    segmenter: SamGeo3Segmenter, tiles: list[UInt8Array], capfd: pytest.CaptureFixture[str]
) -> None:
    check_quiet_contract(segmenter, tiles, capfd)


def test_masks_and_scores_are_those_of_samgeo_itself(segmenter: SamGeo3Segmenter, tiles: list[UInt8Array]) -> None:
    found = segmenter.segment(tiles[1:], [["water", "sand"]])[0]
    samgeo = segmenter._model
    assert type(samgeo).__module__ == "samgeo.samgeo3"
    samgeo.set_image(tiles[1])
    for segment in found:
        samgeo.generate_masks(segment.keyword, quiet=True)
        assert segment.score == pytest.approx(max(samgeo.scores), abs=1e-5)
        assert (segment.mask == np.any(np.stack(samgeo.masks) > 0, axis=0)).mean() > 0.999


def test_a_keyword_longer_than_the_model_reads_is_cut(segmenter: SamGeo3Segmenter, tiles: list[UInt8Array]) -> None:
    keywords = [[" ".join(["tennis court"] * 40)]]
    check_contract(segmenter.segment(tiles[:1], keywords), tiles[:1], keywords)


def test_what_is_not_found_has_no_segment(sam3_weights: Path, tiles: list[UInt8Array]) -> None:
    assert SamGeo3Segmenter(sam3_weights, CPU, confidence=0.999).segment(tiles, KEYWORDS) == [[], []]


def test_tiles_without_keywords_load_nothing(sam3_weights: Path, tiles: list[UInt8Array]) -> None:
    segmenter = SamGeo3Segmenter(sam3_weights, CPU)
    assert segmenter.segment(tiles, [[], []]) == [[], []]
    assert segmenter._model is None


def test_damaged_weights_are_named_with_the_command_that_mends_them(tmp_path: Path, sam3_weights: Path) -> None:
    (tmp_path / "sam3").mkdir()
    for file in (sam3_weights / "sam3").iterdir():
        (tmp_path / "sam3" / file.name).write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ModelError, match="mpsclip segmenters fetch samgeo3"):
        SamGeo3Segmenter(tmp_path, CPU).segment([np.zeros((8, 8, 3), np.uint8)], [["water"]])


def test_identity_follows_thresholds_and_weights(tmp_path: Path, sam3_weights: Path) -> None:
    same = SamGeo3Segmenter(sam3_weights, CPU).identity
    assert same == SamGeo3Segmenter(sam3_weights, CPU).identity
    assert same.startswith("samgeo3-1(confidence=0.5,mask=0.5,sam3=")
    (tmp_path / "sam3").mkdir()
    for file in (sam3_weights / "sam3").iterdir():
        (tmp_path / "sam3" / file.name).write_bytes(file.read_bytes())
    assert SamGeo3Segmenter(tmp_path, CPU).identity == same
    with (tmp_path / "sam3" / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    others = {
        SamGeo3Segmenter(tmp_path, CPU).identity,
        SamGeo3Segmenter(sam3_weights, CPU, confidence=0.4).identity,
        SamGeo3Segmenter(sam3_weights, CPU, mask_threshold=0.4).identity,
    }
    assert len(others | {same}) == 4
