"""Objectives against formulas written out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.train.losses import (
    attribution,
    multi_positive_contrastive,
    multiple_instance_contrastive,
    noun_prior_divergence,
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


def pairs(count: int = 6, width: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(3)
    images, texts = torch.randn(2, count, width, generator=random)
    return torch.nn.functional.normalize(images, dim=1), torch.nn.functional.normalize(texts, dim=1)


def test_attribution_agrees_with_loops_over_the_pairs() -> None:
    images, texts = pairs()
    labels = [2, 0, 2, -1, 0, -1]
    expected = 0.0
    for j in range(6):
        alike = [k for k in range(6) if k == j or (labels[k] == labels[j] >= 0)]
        # image j looks for its own text centre among all; its image centre looks for text j among all texts
        centres = [
            torch.stack([texts[k] for k in range(6) if k == c or (labels[k] == labels[c] >= 0)]).mean(0)
            for c in range(6)
        ]
        to_texts = torch.stack([images[j] @ centre / 0.1 for centre in centres])
        own_centre = torch.stack([images[k] for k in alike]).mean(0)
        to_images = torch.stack([text @ own_centre / 0.1 for text in texts])
        expected -= float(to_texts.log_softmax(0)[j] + to_images.log_softmax(0)[j]) / 12
    loss = attribution(images, texts, torch.tensor(labels), 0.1)
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def test_attribution_of_single_pairs_is_image_to_text_in_both_terms() -> None:
    images, texts = pairs()
    loss = attribution(images, texts, torch.full((6,), -1), 0.07)
    image_to_text = text_to_image_contrastive((images @ texts.T / 0.07).T, torch.eye(6))
    torch.testing.assert_close(loss, image_to_text)
    torch.testing.assert_close(attribution(images, texts, torch.arange(6), 0.07), image_to_text)


def test_attribution_matches_the_reference_implementations_fixture(shared_data: Path) -> None:
    folder = shared_data / "fixtures"
    io = load_file(folder / "prior_pae_tiny.io.safetensors")
    temperature = json.loads((folder / "prior_pae_tiny.json").read_text("utf-8"))["temperature_affiliation"]
    loss = attribution(io["loss_image"], io["loss_text"], io["label"].long(), temperature)
    torch.testing.assert_close(loss, io["loss_affiliation"].reshape(()), rtol=0, atol=1e-5)


def test_noun_prior_divergence_is_zero_for_the_prior_itself_and_counts_known_images_alone() -> None:
    priors = torch.tensor([[0.5, 0.25, 0.25], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    exact = priors.clamp_min(1e-9).log()
    assert float(noun_prior_divergence(exact, priors)) == pytest.approx(0.0, abs=1e-6)
    even = noun_prior_divergence(torch.zeros(3, 3), priors)
    first = sum(p * math.log(p * 3) for p in (0.5, 0.25, 0.25))
    assert float(even) == pytest.approx((first + math.log(3)) / 2, abs=1e-6)


def test_noun_prior_divergence_of_a_batch_without_any_prior_is_zero_with_a_gradient() -> None:
    logits = torch.ones(2, 3, requires_grad=True)
    loss = noun_prior_divergence(logits, torch.zeros(2, 3))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    assert logits.grad is not None and logits.grad.count_nonzero() == 0
