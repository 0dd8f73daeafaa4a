"""Reference tensors of the published model, and of other sizes by an implementation that shares no code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import ModelError, UsageError
from engine.train.parity.check import check
from tests.support.naive_mps_clip import NaiveMpsClip, Sizes, State, random_inputs, random_weights

TINY = Path(__file__).parents[3] / "data" / "mps_clip_tiny"
LOSSES = {
    "loss_contrastive_diag",
    "loss_contrastive_ids",
    "loss_total_contrastive",
    "loss_total_triplet",
    "loss_triplet",
    "loss_triplet_hardest",
    "loss_view_contrastive",
    "loss_view_triplet",
}
OUTPUTS = {
    "logit_scale_exp",
    "out_image_fused",
    "out_image_global",
    "out_patch_features",
    "out_region_mean",
    "out_text",
    "out_view_logits_max",
    "out_views",
    "out_word_features",
}


def write_fixture(folder: Path, sizes: Sizes, state: State, tensors: State, **changes: object) -> str:
    prefix = folder / "made.here"
    Path(f"{prefix}.json").write_text(json.dumps(sizes.description() | changes))
    save_file(state, f"{prefix}.weights.safetensors")
    save_file({name: value.contiguous() for name, value in tensors.items()}, f"{prefix}.io.safetensors")
    return str(prefix)


@pytest.fixture
def other_sizes(tmp_path: Path) -> str:
    """Files without any expected output."""
    return write_fixture(tmp_path, Sizes(), random_weights(Sizes()), random_inputs(Sizes()))


def test_every_output_and_loss_of_the_reference_is_met() -> None:
    report, computed = check(str(TINY))
    differences = report["max_abs_difference"]
    assert report["fixture"] == "mps_clip_tiny"
    assert set(differences) == set(computed) == LOSSES | OUTPUTS
    assert max(differences.values()) < 1e-5, differences
    expected = load_file(f"{TINY}.io.safetensors")
    assert all(value.shape == expected[name].shape for name, value in computed.items())


def test_the_shared_reference_is_the_one_in_the_tests(shared_data: Path) -> None:
    for end in (".json", ".weights.safetensors", ".io.safetensors"):
        shared = shared_data / "fixtures" / f"mps_clip_tiny{end}"
        assert shared.read_bytes() == Path(f"{TINY}{end}").read_bytes()


def test_other_widths_depths_patches_heads_and_views_agree_with_a_naive_implementation(tmp_path: Path) -> None:
    sizes = Sizes()
    state, inputs = random_weights(sizes), random_inputs(sizes)
    results = NaiveMpsClip(sizes, state).results(inputs, sizes.description())
    report, _ = check(write_fixture(tmp_path, sizes, state, {**inputs, **results}))
    differences = report["max_abs_difference"]
    assert report["fixture"] == "made.here"
    assert set(differences) == LOSSES | OUTPUTS
    assert max(differences.values()) < 1e-5, differences


def test_the_naive_implementation_meets_the_reference_too() -> None:
    described = json.loads(Path(f"{TINY}.json").read_text())
    sizes = Sizes(64, 64, 1, 16, 16, 64, 48, 4, 1, 16, 300, 128, 8, 4, 4, True, 0.05)
    tensors = load_file(f"{TINY}.io.safetensors")
    results = NaiveMpsClip(sizes, load_file(f"{TINY}.weights.safetensors")).results(tensors, described)
    assert set(results) == LOSSES | OUTPUTS
    for name, value in results.items():
        torch.testing.assert_close(value, tensors[name], atol=1e-5, rtol=0, msg=name)


def test_a_difference_is_reported_where_it_is(tmp_path: Path) -> None:
    sizes = Sizes()
    state, inputs = random_weights(sizes), random_inputs(sizes)
    _, computed = check(write_fixture(tmp_path, sizes, state, {**inputs, "out_text": torch.zeros(4, 24)}))
    wrong = computed["out_text"].clone()
    wrong[2, 5] += 0.25
    report, _ = check(write_fixture(tmp_path, sizes, state, {**inputs, "out_text": wrong}))
    assert report["max_abs_difference"] == {"out_text": pytest.approx(0.25, abs=1e-6)}


def test_unknown_kind_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    sizes = Sizes()
    prefix = write_fixture(tmp_path, sizes, random_weights(sizes), random_inputs(sizes), kind="mps_clop")
    with pytest.raises(UsageError, match=r"kind 'mps_clop'\. Known kinds: mps_clip"):
        check(prefix)


@pytest.mark.parametrize("end", [".json", ".weights.safetensors", ".io.safetensors"])
def test_missing_file_is_named(other_sizes: str, end: str) -> None:
    Path(other_sizes + end).unlink()
    with pytest.raises(UsageError, match=f"There is no file .*made.here{end}"):
        check(other_sizes)


@pytest.mark.parametrize("end", [".json", ".weights.safetensors", ".io.safetensors"])
def test_damaged_file_is_named(other_sizes: str, end: str) -> None:
    Path(other_sizes + end).write_bytes(b"\xff" * 30)
    with pytest.raises(ModelError, match=f"made.here{end} cannot be read"):
        check(other_sizes)


def test_incomplete_description_names_the_field(other_sizes: str) -> None:
    path = Path(f"{other_sizes}.json")
    described = json.loads(path.read_text())
    del described["vision"]["patch_size"]
    path.write_text(json.dumps(described))
    with pytest.raises(ModelError, match=r"wrong at vision\.patch_size: Field required"):
        check(other_sizes)


def test_description_of_no_possible_model_is_an_error(other_sizes: str) -> None:
    path = Path(f"{other_sizes}.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"adapter_heads": 5}))
    with pytest.raises(ModelError, match=r"describes no model.*5 heads"):
        check(other_sizes)


def test_missing_input_and_unknown_output_are_named(tmp_path: Path) -> None:
    sizes = Sizes()
    state, inputs = random_weights(sizes), random_inputs(sizes)
    prefix = write_fixture(tmp_path, sizes, state, {**inputs, "out_of_this_world": torch.zeros(1)})
    with pytest.raises(ModelError, match="does not have: out_of_this_world"):
        check(prefix)
    del inputs["regions"]
    with pytest.raises(ModelError, match="no input 'regions'"):
        check(write_fixture(tmp_path, sizes, state, inputs))


def test_result_of_another_shape_is_named(tmp_path: Path) -> None:
    sizes = Sizes()
    tensors = {**random_inputs(sizes), "out_text": torch.zeros(4, 23)}
    with pytest.raises(ModelError, match=r"out_text has the shape \(4, 24\) where .* has \(4, 23\)"):
        check(write_fixture(tmp_path, sizes, random_weights(sizes), tensors))
