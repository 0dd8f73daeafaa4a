"""Objectives against formulas written out by hand."""

from __future__ import annotations

import math

import torch

from engine.train.losses import multi_positive_contrastive, same_group


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
