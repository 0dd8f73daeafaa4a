"""What OSDPM's paper claims of its dual attention, on small maps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

from engine.models.osdpm.dapn import DAPN

CHANNELS = 16


@pytest.fixture
def dapn() -> DAPN:
    torch.manual_seed(0)
    return DAPN(CHANNELS, 4)


def trained(dapn: DAPN, spread: float = 0.5) -> DAPN:
    """As after training: nothing that starts at zero or one is there any more."""
    for parameter in dapn.parameters():
        torch.nn.init.normal_(parameter, std=spread)
    return dapn


def maps(h: int = 7, w: int = 7, batch: int = 3) -> Tensor:
    return torch.randn(batch, CHANNELS, h, w, generator=torch.Generator().manual_seed(1)).relu()


def test_a_fresh_network_leaves_map_and_mean_as_they_are_to_the_last_bit(dapn: DAPN) -> None:
    tokens = maps()
    perceived = dapn(tokens)
    assert torch.equal(perceived.map, tokens)
    assert torch.equal(perceived.feature, tokens.mean((2, 3)))


@pytest.mark.parametrize(("h", "w"), [(3, 3), (7, 7), (4, 9), (5, 3), (1, 2)])
def test_attention_sums_to_one_on_a_map_of_any_size(dapn: DAPN, h: int, w: int) -> None:
    perceived = trained(dapn)(maps(h, w))
    assert perceived.map.shape == (3, CHANNELS, h, w)
    assert perceived.feature.shape == perceived.channel.shape == (3, CHANNELS)
    assert perceived.spatial.shape == perceived.saliency.shape == (3, h, w)
    assert perceived.scales.shape == (3, 3)
    for weights in (perceived.spatial, perceived.channel, perceived.scales, perceived.saliency):
        assert bool((weights > 0).all())
        torch.testing.assert_close(weights.flatten(1).sum(1), torch.ones(3))


def test_images_weight_the_scales_each_in_its_own_way(dapn: DAPN) -> None:
    scales = dapn(maps(batch=4)).scales.detach()
    assert float(torch.pdist(scales).min()) > 1e-3
    torch.testing.assert_close(dapn(maps(batch=4)[2:3]).scales, scales[2:3])  # and not by the batch


def test_channels_are_judged_where_attention_looks_and_positions_by_the_channels_that_matter(dapn: DAPN) -> None:
    """The interaction, by other means: a convolution of the scaled map, and a sum over positions."""
    attention = trained(dapn).collaborative
    seen = maps()
    kernel = attention.kernel.detach().T.reshape(1, CHANNELS, 3, 3).flip(2, 3)

    def positions(tokens: Tensor) -> Tensor:
        return conv2d(tokens, kernel, padding=1)[:, 0].flatten(1).softmax(1).view(3, 7, 7)

    first_channel = attention.channel(seen.mean((2, 3))).softmax(1)
    first_spatial = positions(seen)
    spatial, channel = attention(seen)
    torch.testing.assert_close(spatial, positions(seen * CHANNELS * first_channel[:, :, None, None]))
    described = (seen * first_spatial[:, None]).sum((2, 3))
    torch.testing.assert_close(channel, attention.channel(described).softmax(1))
    assert not torch.allclose(spatial, first_spatial, atol=1e-3)
    assert not torch.allclose(channel, first_channel, atol=1e-3)


def test_a_scales_saliency_is_the_response_of_its_averaged_windows(dapn: DAPN) -> None:
    attention = trained(DAPN(CHANNELS, 4, scales=(2,))).object_aware
    tokens, context = maps(5, 4), torch.randn(3, CHANNELS)
    saliency = attention(tokens, tokens, context).saliency
    query = (attention.query(context) * attention.stress[0] / CHANNELS**0.5)[:, :, None, None]
    inner = (avg_pool2d(tokens[:, :, :4], 2) * query).sum(1)  # (B, 2, 2), and the last row's windows are 1 x 2
    edge = (avg_pool2d(tokens[:, :, 4:], (1, 2)) * query).sum(1)  # (B, 1, 2)
    rows = torch.cat([inner, inner, edge], 1)[:, [0, 2, 1, 3, 4]]
    expected = rows.repeat_interleave(2, 2).flatten(1).softmax(1).view(3, 5, 4)
    torch.testing.assert_close(saliency, expected)


def test_feature_is_the_mean_of_the_raised_map_and_what_context_and_objects_add(dapn: DAPN) -> None:
    trained(dapn)
    with torch.no_grad():
        dapn.up.weight.zero_()
        perceived = dapn(maps())
        torch.testing.assert_close(perceived.feature, perceived.map.mean((2, 3)) + dapn.up.bias)


def test_attention_does_not_depend_on_the_scale_of_the_features(dapn: DAPN) -> None:
    trained(dapn)
    small, large = dapn(maps()), dapn(100 * maps())
    for name in ("spatial", "channel", "saliency", "scales"):
        torch.testing.assert_close(getattr(small, name), getattr(large, name), atol=1e-3, rtol=1e-3)


def test_training_reaches_every_parameter_and_finds_the_object(dapn: DAPN) -> None:
    """The marked token is a small part of the map, somewhere else in each image: its mean says little of it."""
    torch.manual_seed(2)
    read = torch.nn.Linear(CHANNELS, 4)
    optimiser = torch.optim.Adam([*dapn.parameters(), *read.parameters()], lr=0.01)
    kinds = torch.arange(32) % 4
    losses = []
    for _ in range(40):
        tokens = torch.randn(32, CHANNELS, 6, 6).abs()
        places = torch.randint(36, (32,))
        tokens.flatten(2)[torch.arange(32), kinds, places] += 4
        tokens.flatten(2)[torch.arange(32), 4, places] += 4  # what marks the token
        perceived = dapn(tokens)
        loss = torch.nn.functional.cross_entropy(read(perceived.feature), kinds)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    without = [name for name, p in dapn.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert without == []
    seen = perceived.saliency.flatten(1) + perceived.spatial.flatten(1)
    assert seen[torch.arange(32), places].mean().item() > 3 * 2 / 36  # three times what even attention gives
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(("reduction", "scales"), [(0, (1,)), (17, (1,)), (4, ()), (4, (0, 1))])
def test_sizes_that_make_no_network_are_refused(reduction: int, scales: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be"):
        DAPN(CHANNELS, reduction, scales)


def test_half_precision_gives_the_same_and_keeps_the_identity(dapn: DAPN) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(dapn(maps()).map, maps())
    expected = trained(dapn, 0.2)(maps())
    with torch.autocast("cpu", torch.bfloat16):
        found = dapn(maps())
    torch.testing.assert_close(found.saliency.float(), expected.saliency, atol=1e-3, rtol=0.02)
    torch.testing.assert_close(found.feature.float(), expected.feature, atol=0.05, rtol=0.02)


@pytest.mark.gpu
def test_cuda_gives_the_same_in_half_precision_too(dapn: DAPN) -> None:
    trained(dapn, 0.2)
    expected = dapn(maps())
    with torch.autocast("cuda", torch.float16):
        found = dapn.cuda()(maps().cuda())
    torch.testing.assert_close(found.saliency.cpu().float(), expected.saliency, atol=1e-3, rtol=0.02)
    torch.testing.assert_close(found.feature.cpu().float(), expected.feature, atol=0.05, rtol=0.02)
