"""Objectives against formulas written out by hand."""

from __future__ import annotations

import math

import torch

from engine.train.losses import (
    multi_positive_contrastive,
    multiple_instance_contrastive,
    same_group,
    text_to_image_contrastive,
)


def test_contrastive_of_one_positive_each_is_cross_entropy_both_ways() -> None:
    logits = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    rows = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-2))) / 2
    columns = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-3))) / 2
    loss = multi_positive_contrastive(logits, torch.eye(2, dtype=torch.bool))
    torch.testing.assert_close(loss, torch.tensor((rows + columns) / 2))


def test_contrastive_spreads_targets_evenly_over_positives() -> None:
    logits = torch.tensor([[1.0, 1.0, -50.0, -50.0], [-50.0, -50.0, 1.0, 1.0]])
    positives = torch.tensor([[True, True, False, False], [False, False, True, True]])
    torch.testing.assert_close(multi_positive_contrastive(logits, positives), torch.tensor(0.5 * math.log(2)))


def test_same_group_compares_ids() -> None:
    assert same_group(torch.tensor([3, 4]), torch.tensor([4, 3, 3])).tolist() == [
        [False, True, True],
        [True, False, False],
    ]


def test_text_to_image_contrastive_is_the_columns_half() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    positives = torch.tensor([[1, 0, 1], [0, 1, 1], [0, 0, 1], [1, 0, 0]], dtype=torch.bool)
    expected = 0.0
    for text in range(3):
        shares = logits[:, text].exp() / logits[:, text].exp().sum()
        expected -= shares[positives[:, text]].log().mean().item() / 3
    torch.testing.assert_close(text_to_image_contrastive(logits, positives), torch.tensor(expected))


def test_multiple_instance_contrastive_asks_only_some_positive_to_answer() -> None:
    positives = torch.tensor([[True], [True], [False]])
    one_answers = multiple_instance_contrastive(torch.tensor([[9.0], [-9.0], [-9.0]]), positives)
    none_answers = multiple_instance_contrastive(torch.tensor([[-9.0], [-9.0], [9.0]]), positives)
    assert one_answers < 1e-6
    torch.testing.assert_close(none_answers, torch.tensor(18.0 - math.log(2)), atol=1e-4, rtol=0)
