"""PriorCLIP's encoders: what they read and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from engine.errors import ModelError
from engine.models.prior_clip.heads import PriorPAE
from engine.models.prior_clip.layers import SelfAttentionLayer
from engine.models.prior_clip.spatial_pae import SpatialPAE, by_belief
from engine.models.prior_clip.temporal_pae import TemporalPAE

WIDTH = 16


def randomised(module: nn.Module) -> nn.Module:
    """Fresh encoders end in zeros, which would hide what stands before."""
    random = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        if parameter.ndim == 2:
            parameter.data = torch.randn(parameter.shape, generator=random) * 2 * parameter.shape[1] ** -0.5
    return module.eval()


def samples(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_fresh_encoders_give_the_global_token() -> None:
    tokens = samples(3, 6, WIDTH)
    unit = normalize(tokens[:, 0], dim=1)
    assert torch.equal(SpatialPAE(WIDTH).eval()(tokens, samples(3, WIDTH, seed=2)), unit)
    assert torch.equal(TemporalPAE(WIDTH).eval()(tokens), unit)


def test_belief_orders_the_tokens_by_their_product_with_the_prior() -> None:
    tokens = torch.tensor([[[0.0, 5.0], [2.0, 0.0], [-1.0, 0.0], [3.0, 1.0]]])
    assert by_belief(tokens, torch.tensor([[1.0, 0.0]])).tolist() == [[3, 1, 0, 2]]
    # far below the highest, all beliefs are zero in float32: those stand in their own order
    assert by_belief(tokens, torch.tensor([[1000.0, 0.0]])).tolist() == [[3, 0, 1, 2]]


def test_only_kept_tokens_and_the_global_one_are_read() -> None:
    pae = randomised(SpatialPAE(WIDTH, filter_size=3, heads=2))
    tokens, prior = samples(1, 7, WIDTH), samples(1, WIDTH, seed=2)
    order = by_belief(tokens, prior)[0].tolist()
    before = pae(tokens, prior)
    for rank, place in enumerate(order):
        changed = tokens.clone()
        # across the prior, so that nothing changes its place
        across = samples(WIDTH, seed=3)
        changed[0, place] += across - (across @ prior[0]) / (prior[0] @ prior[0]) * prior[0]
        moved = not torch.allclose(pae(changed, prior), before, atol=1e-5)
        assert moved == (rank < 3 or place == 0), (rank, place)


def test_the_prior_instructs_even_where_it_keeps_the_order() -> None:
    pae = randomised(SpatialPAE(WIDTH, heads=2))
    tokens, prior = samples(2, 5, WIDTH), samples(2, WIDTH, seed=2)
    assert torch.equal(by_belief(tokens, prior), by_belief(tokens, 2 * prior))
    assert not torch.allclose(pae(tokens, prior), pae(tokens, 2 * prior), atol=1e-4)


def test_padding_of_a_text_changes_nothing() -> None:
    pae = randomised(TemporalPAE(WIDTH, heads=2))
    short = samples(1, 4, WIDTH)
    padded = torch.cat([short, samples(1, 3, WIDTH, seed=5)], dim=1)
    mask = torch.tensor([[True] * 4 + [False] * 3])
    torch.testing.assert_close(pae(padded, mask), pae(short), atol=1e-6, rtol=0)
    assert not torch.allclose(pae(padded), pae(short), atol=1e-4)


def test_every_weight_is_trained_and_dropout_acts_in_training_alone() -> None:
    model = randomised(PriorPAE(5, 6, 7, WIDTH, heads=2))
    tokens, prior, words = samples(3, 9, 5), samples(3, 7, seed=2), samples(3, 4, 6, seed=3)
    assert torch.equal(model.embed_images(tokens, prior), model.embed_images(tokens, prior))
    model.train()
    images, texts = model.embed_images(tokens, prior), model.embed_texts(words)
    assert not torch.equal(images, model.embed_images(tokens, prior))
    ((images * texts).sum() / model.temp + (images * texts).sum() / model.temp2).backward()  # type: ignore[no-untyped-call]
    # keys' biases move all scores of a query alike
    idle = {n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-12}
    assert {name for name in idle if not name.endswith("linear_k.bias")} == set()
    for embeddings in (images, texts):
        torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))


def test_released_names_lead_there_and_back() -> None:
    model, other = randomised(PriorPAE(5, 6, 7, WIDTH, heads=2)), PriorPAE(5, 6, 7, WIDTH, heads=2)
    state = model.released_state_dict()
    assert {"vision_proj.weight", "img_sa.1.mhatt.linear_q.bias", "txt_ca.2.ffn.3.weight", "head_txt.bias"} < set(state)
    assert not [name for name in state if name.startswith(("spatial", "temporal"))]
    other.load_released_state_dict({**state, "temp": state["temp"].reshape(1)}, Path("weights"))
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name
    with pytest.raises(ModelError, match=r"weights does not fit.*unexpected head_extra"):
        other.load_released_state_dict({**state, "head_extra": state["temp"]}, Path("weights"))


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="width 12 cannot have 8 heads"):
        SelfAttentionLayer(12)
