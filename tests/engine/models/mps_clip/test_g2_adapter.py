from __future__ import annotations

import math

import pytest
import torch

from engine.models.mps_clip.g2_adapter import DropPath, G2Adapter, positional_encoding
from tests.support.tiny_clip import stir


def stirred(width: int = 12, bottleneck: int = 16, heads: int = 4, *, batch_first: bool = False) -> G2Adapter:
    torch.manual_seed(0)
    adapter = G2Adapter(width, bottleneck, heads, batch_first=batch_first).eval()
    stir(adapter.parameters())
    return adapter


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_fresh_adapter_is_the_identity_to_the_last_bit(training: bool, batch_first: bool) -> None:
    adapter = G2Adapter(12, 16, 4, batch_first=batch_first).train(training)
    tokens = torch.randn(7, 3, 12)
    assert torch.equal(adapter(tokens), tokens)


def test_gate_starts_at_0_6_and_up_at_zero() -> None:
    adapter = G2Adapter(12, 16, 4)
    assert (adapter.gate.shape, adapter.gate.item()) == ((), pytest.approx(0.6))
    assert adapter.up_proj.weight.count_nonzero() == adapter.up_proj.bias.count_nonzero() == 0


def test_sequence_first_and_batch_first_agree() -> None:
    first, second = stirred(), stirred(batch_first=True)
    second.load_state_dict(first.state_dict())
    tokens = torch.randn(7, 3, 12)
    torch.testing.assert_close(first(tokens), second(tokens.transpose(0, 1)).transpose(0, 1))


def test_samples_do_not_see_each_other_and_positions_do() -> None:
    adapter = stirred(batch_first=True)
    tokens = torch.randn(3, 7, 12)
    torch.testing.assert_close(adapter(tokens)[1:2], adapter(tokens[1:2]))
    changed = tokens.clone()
    changed[:, 6] += 1  # the last position reaches the first: there is no mask
    assert not torch.allclose(adapter(changed)[:, 0], adapter(tokens)[:, 0])


def test_gate_acts_before_up_whose_bias_is_not_gated() -> None:
    adapter = stirred()
    tokens = torch.randn(7, 3, 12)
    with torch.no_grad():
        adapter.gate.fill_(-1e4)
    torch.testing.assert_close(adapter(tokens), tokens + adapter.up_proj.bias)


@pytest.mark.parametrize(("width", "count"), [(768, 413_697), (512, 347_905)])
def test_number_of_parameters_is_the_papers(width: int, count: int) -> None:
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in G2Adapter(width).parameters()) == count


def test_any_length_of_sequence_and_width_of_bottleneck_will_do() -> None:
    adapter = stirred(10, 6, 3)
    assert adapter(torch.randn(1, 2, 10)).shape == (1, 2, 10)
    assert adapter(torch.randn(300, 2, 10)).shape == (300, 2, 10)


@pytest.mark.parametrize(("bottleneck", "heads"), [(16, 3), (15, 5)])
def test_sizes_that_do_not_divide_are_refused(bottleneck: int, heads: int) -> None:
    with pytest.raises(ValueError, match=f"width {bottleneck} cannot have {heads} heads"):
        G2Adapter(12, bottleneck, heads)


def test_dropout_acts_in_training_alone() -> None:
    adapter = stirred()
    tokens = torch.randn(7, 3, 12)
    assert torch.equal(adapter(tokens), adapter(tokens))
    adapter.train()
    assert not torch.equal(adapter(tokens), adapter(tokens))


def test_drop_path_drops_whole_samples_and_rescales_the_others() -> None:
    torch.manual_seed(0)
    x = torch.ones(4000, 2, 3)
    out = DropPath(0.25).train()(x)
    per_sample = out.flatten(1)
    assert torch.equal(per_sample, per_sample[:, :1].expand(-1, 6))
    assert sorted(set(per_sample[:, 0].tolist())) == [0.0, pytest.approx(1 / 0.75)]
    assert 0.22 < float((per_sample[:, 0] == 0).float().mean()) < 0.28
    assert torch.equal(DropPath(0.25).eval()(x), x)


def test_positions_are_sines_and_cosines() -> None:
    encoding = positional_encoding(40, 8, torch.device("cpu"))
    for p in (0, 1, 39):
        for i in range(4):
            angle = p * 10000 ** (-2 * i / 8)
            assert float(encoding[p, 2 * i]) == pytest.approx(math.sin(angle), abs=1e-6)
            assert float(encoding[p, 2 * i + 1]) == pytest.approx(math.cos(angle), abs=1e-6)


def test_positions_first_made_in_inference_mode_can_be_trained_with() -> None:
    adapter = stirred()
    with torch.inference_mode():
        adapter(torch.randn(41, 1, 12))
    tokens = torch.randn(41, 1, 12, requires_grad=True)
    adapter.train()(tokens).sum().backward()
    assert tokens.grad is not None
