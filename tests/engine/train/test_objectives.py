"""Objectives of MPS-CLIP against numbers worked out by hand and against loops."""

from __future__ import annotations

import math

import pytest
import torch
from lightning.fabric import Fabric
from torch import Tensor

from engine.train.gather import gather
from engine.train.objectives import (
    contrastive,
    multi_view_contrastive,
    multi_view_triplet,
    total,
    total_contrastive,
    total_triplet,
    training_region_feature,
    view_scores,
    weighted_triplet,
)


def unit(*shape: int, seed: int = 0) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def weighted(cost: float, gamma: float = 2.0) -> float:
    return (1 - math.exp(-cost)) ** gamma * cost


def test_contrastive_without_ids_is_cross_entropy_on_the_diagonal_both_ways() -> None:
    images, texts = unit(4, 8), unit(4, 8, seed=1)
    logits, target = images @ texts.T / 0.07, torch.arange(4)
    expected = 0.5 * (
        torch.nn.functional.cross_entropy(logits, target) + torch.nn.functional.cross_entropy(logits.T, target)
    )
    torch.testing.assert_close(contrastive(images, texts, 0.07), expected)
    torch.testing.assert_close(contrastive(images, texts, 0.07, torch.tensor([5, 6, 7, 8])), expected)


def test_contrastive_spreads_targets_over_pairs_of_the_same_image() -> None:
    # Two pairs of one image, perfectly apart from a third: each direction is left with the choice between the two.
    images = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    loss = contrastive(images, images, torch.tensor(0.01), torch.tensor([3, 3, 9]))
    torch.testing.assert_close(loss, torch.tensor(2 / 3 * math.log(2)))


def test_weighted_triplet_of_two_pairs_by_hand() -> None:
    scores = torch.tensor([[0.9, 0.8], [0.1, 0.5]])
    against_texts = weighted(0.2 + 0.8 - 0.9) + 0  # image 2: 0.2 + 0.1 - 0.5 is below zero
    against_images = weighted(0.2 + 0.8 - 0.5) + 0  # text 1: 0.2 + 0.1 - 0.9 is below zero
    torch.testing.assert_close(weighted_triplet(scores), torch.tensor(0.5 * (against_texts + against_images)))


@pytest.mark.parametrize(("margin", "gamma"), [(0.2, 2.0), (0.6, 1.0)])
@pytest.mark.parametrize("hardest", [False, True])
def test_weighted_triplet_agrees_with_loops(margin: float, gamma: float, hardest: bool) -> None:
    scores = torch.rand(5, 5, generator=torch.Generator().manual_seed(2))
    expected = 0.0
    for table in (scores, scores.T):
        for a in range(5):
            costs = [
                weighted(max(0.0, margin + float(table[a, b]) - float(table[a, a])), gamma) for b in range(5) if b != a
            ]
            expected += 0.5 * (max(costs) if hardest else sum(costs))
    torch.testing.assert_close(weighted_triplet(scores, margin, gamma, hardest=hardest), torch.tensor(expected))


def test_weight_of_the_triplet_is_not_detached() -> None:
    score = torch.tensor([[0.5, 0.4], [-1.0, 0.9]], requires_grad=True)
    (gradient,) = torch.autograd.grad(weighted_triplet(score), score)
    cost = 0.1  # 0.2 + 0.4 - 0.5; text 2 has 0.2 + 0.4 - 0.9 < 0
    share = 1 - math.exp(-cost)
    slope = share**2 + 2 * share * math.exp(-cost) * cost
    torch.testing.assert_close(gradient, torch.tensor([[-0.5 * slope, 0.5 * slope], [0.0, 0.0]]))


def test_triplet_of_well_separated_pairs_is_zero_with_zero_gradient() -> None:
    scores = torch.eye(3, requires_grad=True)
    loss = weighted_triplet(scores)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert scores.grad is not None and scores.grad.count_nonzero() == 0


def test_views_score_by_the_best_of_them() -> None:
    views, texts = unit(3, 4, 8), unit(4, 8, seed=1)
    scores = view_scores(views, texts)
    for a in range(4):
        for b in range(4):
            assert float(scores[a, b]) == pytest.approx(max(float(v[a] @ texts[b]) for v in views), abs=1e-6)


def test_multi_view_losses_are_those_of_the_best_scores() -> None:
    views, texts = unit(3, 4, 8), unit(4, 8, seed=1)
    best, target = view_scores(views, texts), torch.arange(4)
    expected = 0.5 * sum(torch.nn.functional.cross_entropy(23 * s, target) for s in (best, best.T))
    torch.testing.assert_close(multi_view_contrastive(views, texts, 23.0), torch.as_tensor(expected))
    torch.testing.assert_close(multi_view_triplet(views, texts), weighted_triplet(best))
    torch.testing.assert_close(
        multi_view_triplet(views, texts, 0.9, 1.0, hardest=True), weighted_triplet(best, 0.9, 1.0, hardest=True)
    )


def test_only_the_best_view_learns() -> None:
    views = torch.stack([torch.eye(2), -torch.eye(2)]).requires_grad_()
    multi_view_contrastive(views, torch.eye(2), 1.0).backward()  # type: ignore[no-untyped-call]
    assert views.grad is not None
    assert views.grad[0].diagonal().all()
    assert views.grad[1].diagonal().count_nonzero() == 0


def test_region_feature_in_training_is_the_mean_or_the_image_itself() -> None:
    regions, whole = unit(3, 2, 8), unit(3, 8, seed=1)
    mask = torch.tensor([[1, 1], [0, 1], [0, 0]], dtype=torch.uint8)
    feature = training_region_feature(regions, mask, whole)
    mean = regions[0].mean(0)
    torch.testing.assert_close(feature, torch.stack([mean / mean.norm(), regions[1, 1], whole[2]]))


def test_gradients_pass_the_region_feature_and_are_numbers_where_no_region_is() -> None:
    regions, whole = torch.zeros(2, 2, 8), unit(2, 8, seed=1).requires_grad_()
    regions[0] = unit(2, 8)
    regions.requires_grad_()
    mask = torch.tensor([[True, False], [False, False]])
    (training_region_feature(regions, mask, whole) * unit(2, 8, seed=3)).sum().backward()
    assert regions.grad is not None and whole.grad is not None
    assert regions.grad[0, 0].any() and regions.grad.isfinite().all()
    assert regions.grad[0, 1].count_nonzero() == regions.grad[1].count_nonzero() == 0
    assert whole.grad[1].any() and whole.grad[0].count_nonzero() == 0


def test_totals() -> None:
    base, view = torch.tensor(2.0), torch.tensor(3.0)
    assert total_contrastive(base, view).item() == pytest.approx(2.6)
    assert total_triplet(base, view, 0.5).item() == pytest.approx(3.5)
    assert total(base, view).item() == 5.0


def test_one_process_gathers_its_own_tensor_with_its_gradient() -> None:
    local = unit(4, 8).requires_grad_()
    assert gather(Fabric(accelerator="cpu", devices=1), local) is local
