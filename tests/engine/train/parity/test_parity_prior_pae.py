"""Reference tensors of PriorCLIP's closed domain, and of other sizes by an implementation that shares no code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import ModelError
from engine.train.parity.check import check
from tests.support.naive_prior_pae import NaivePriorPAE, Sizes, State, random_inputs, random_weights

TINY = Path(__file__).parents[3] / "data" / "prior_pae_tiny"
RESULTS = {"loss_affiliation", "loss_contrastive", "loss_triplet", "out_text", "out_vision"}


def write_fixture(folder: Path, sizes: Sizes, state: State, tensors: State, **changes: object) -> str:
    prefix = folder / "made.here"
    Path(f"{prefix}.json").write_text(json.dumps(sizes.description() | changes))
    save_file(state, f"{prefix}.weights.safetensors")
    save_file({name: value.contiguous() for name, value in tensors.items()}, f"{prefix}.io.safetensors")
    return str(prefix)


def test_every_output_and_loss_of_the_reference_is_met() -> None:
    report, computed = check(str(TINY))
    differences = report["max_abs_difference"]
    assert report["fixture"] == "prior_pae_tiny"
    assert set(differences) == set(computed) == RESULTS
    assert max(differences.values()) < 1e-5, differences
    expected = load_file(f"{TINY}.io.safetensors")
    assert all(value.shape == expected[name].shape for name, value in computed.items())


def test_the_shared_reference_is_the_one_in_the_tests(shared_data: Path) -> None:
    for end in (".json", ".weights.safetensors", ".io.safetensors"):
        shared = shared_data / "fixtures" / f"prior_pae_tiny{end}"
        assert shared.read_bytes() == Path(f"{TINY}{end}").read_bytes()


@pytest.mark.parametrize(("filter_size", "layers", "cycles"), [(4, 3, 2), (90, 1, 1)], ids=["few", "all tokens"])
def test_other_widths_heads_depths_and_filters_agree_with_a_naive_implementation(
    tmp_path: Path, filter_size: int, layers: int, cycles: int
) -> None:
    sizes = replace(Sizes(), filter_size=filter_size, layers=layers, cycles=cycles)
    state, inputs = random_weights(sizes), random_inputs(sizes)
    results = NaivePriorPAE(sizes, state).results(inputs, sizes.description())
    report, _ = check(write_fixture(tmp_path, sizes, state, {**inputs, **results}))
    assert set(report["max_abs_difference"]) == RESULTS
    assert max(report["max_abs_difference"].values()) < 1e-5, report


def test_the_naive_implementation_meets_the_reference_too() -> None:
    described = json.loads(Path(f"{TINY}.json").read_text())
    tensors = load_file(f"{TINY}.io.safetensors")
    sizes = Sizes(64, 48, 40, 56, 8, 20, 2, 3)
    results = NaivePriorPAE(sizes, load_file(f"{TINY}.weights.safetensors")).results(tensors, described)
    assert set(results) == RESULTS
    for name, value in results.items():
        torch.testing.assert_close(value, tensors[name], atol=1e-5, rtol=0, msg=name)


def test_a_file_needs_only_the_inputs_of_what_it_expects(tmp_path: Path) -> None:
    sizes, state = Sizes(), random_weights(Sizes())
    inputs = random_inputs(sizes)
    text = NaivePriorPAE(sizes, state).text(inputs["text_tokens"][0])[None].float()
    alone = {"text_tokens": inputs["text_tokens"][:1], "out_text": text}
    report, _ = check(write_fixture(tmp_path, sizes, state, alone))
    assert report["max_abs_difference"]["out_text"] < 1e-5
    with pytest.raises(ModelError, match="no input 'vision_tokens'"):
        check(write_fixture(tmp_path, sizes, state, {**alone, "out_vision": torch.zeros(1, 24)}))


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    sizes, state = Sizes(), random_weights(Sizes())
    inputs = random_inputs(sizes)
    with pytest.raises(ModelError, match=r"PriorCLIP does not have: out_of_this_world.*Known.*loss_affiliation"):
        check(write_fixture(tmp_path, sizes, state, {**inputs, "out_of_this_world": torch.zeros(1)}))
    with pytest.raises(ModelError, match=r"wrong at cycle_steps: Input should be greater than 0"):
        check(write_fixture(tmp_path, sizes, state, inputs, cycle_steps=0))
    with pytest.raises(ModelError, match=r"describes no model: .* width 24 cannot have 5 heads"):
        check(write_fixture(tmp_path, sizes, state, inputs, heads=5))
    wrong = {**inputs, "text_tokens": torch.zeros(4, 5, 3), "out_text": torch.zeros(4, 24)}
    with pytest.raises(ModelError, match=r"made\.here\.io\.safetensors fit neither each other nor"):
        check(write_fixture(tmp_path, sizes, state, wrong))
    del state["img_ca.1.mhatt_cross.linear_merge.bias"]
    with pytest.raises(ModelError, match=r"missing img_ca\.1\.mhatt_cross\.linear_merge\.bias"):
        check(write_fixture(tmp_path, sizes, state, inputs))
