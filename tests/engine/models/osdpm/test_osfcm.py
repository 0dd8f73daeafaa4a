"""What OSDPM's paper claims of its clustering: priors are counted, and categories overlap less."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from engine.datasets.rsicd import CaptionedImage
from engine.evaluate.overlap import category_overlap
from engine.models.osdpm.osfcm import clustering_loss, high_probability
from engine.text.local import LocalKeywordExtractor
from engine.train.packaged.nouns import NounTargets

WRITTEN = [  # each set on five images; a noun of most images is no category
    ("a harbor with boats", "boats in a harbor", "boats in a harbor", "a pier beside the boats"),
    ("a bridge over a river", "two bridges over the river", "a river in a meadow"),
    ("a stadium beside a river", "a stadium", "the stadium and a bridge"),
    ("a meadow", "a pier"),
    *[("a desert",)] * 12,
]
NOUNS = ("boat", "bridge", "harbor", "meadow", "pier", "river", "stadium")


def test_priors_are_the_frequencies_that_plain_counting_finds() -> None:
    images = [CaptionedImage(Path("x.jpg"), None, captions, ()) for captions in WRITTEN for _ in range(5)]
    targets = NounTargets(images, LocalKeywordExtractor())
    priors = targets.priors(torch.arange(len(images)))
    assert [re.sub("s$", "", word) for word in targets.words] == list(NOUNS)
    for captions, prior in zip(WRITTEN, priors[::5], strict=True):
        counted = Counter(re.findall(rf"\b({'|'.join(NOUNS)})s?\b", " ".join(captions)))
        expected = [counted[noun] / max(counted.total(), 1) for noun in NOUNS]
        assert prior.tolist() == pytest.approx(expected)


def test_only_nouns_nearly_as_probable_as_the_first_are_kept() -> None:
    priors = torch.tensor([[0.5, 0.3, 0.2, 0.0], [0.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    kept = high_probability(priors)
    torch.testing.assert_close(kept, torch.tensor([[0.625, 0.375, 0.0, 0.0], [0.0] * 4, [0.25] * 4]))
    torch.testing.assert_close(high_probability(priors, share=0.0), priors)


def test_loss_is_the_cross_entropy_of_the_nouns_and_images_without_a_prior_do_not_count() -> None:
    images = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    priors = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]])
    loss = clustering_loss(images, torch.eye(2), priors, 0.5)
    first = np.log(1 + np.exp(-2.0))  # logits 2 and 0
    second = np.log(np.exp(1.2) + np.exp(1.6)) - 1.4  # logits 1.2 and 1.6
    assert loss.item() == pytest.approx((first + second) / 2, abs=1e-6)


def test_a_batch_without_any_prior_has_no_loss_but_a_gradient() -> None:
    images = torch.ones(2, 3, requires_grad=True)
    loss = clustering_loss(images, torch.eye(3), torch.zeros(2, 3), 0.1)
    loss.backward()
    assert loss.item() == 0.0
    assert images.grad is not None and not bool(images.grad.any())


def test_prototypes_guide_and_are_not_moved() -> None:
    images = normalize(torch.randn(4, 8), dim=1).requires_grad_()
    prototypes = normalize(torch.randn(4, 8), dim=1).requires_grad_()
    clustering_loss(images, prototypes, torch.eye(4), 0.1).backward()
    assert prototypes.grad is None
    assert images.grad is not None and bool(images.grad.any(1).all())


def test_an_image_between_clusters_is_moved_more_than_one_inside() -> None:
    images = normalize(torch.tensor([[1.0, 0.0], [1.0, 0.9]]), dim=1).requires_grad_()
    clustering_loss(images, torch.eye(2), torch.tensor([[1.0, 0.0]] * 2), 0.1).backward()
    assert images.grad is not None
    inside, between = images.grad.norm(dim=1).tolist()
    assert between > 100 * inside


def test_a_few_steps_draw_embeddings_to_their_nouns_and_categories_overlap_less() -> None:
    torch.manual_seed(0)
    categories = torch.arange(240) % 4
    features = torch.randn(4, 16)[categories] + 1.5 * torch.randn(240, 16)  # confused, as the paper has it
    prototypes = normalize(torch.randn(4, 8).repeat_interleave(3, 0) + 0.5 * torch.randn(12, 8), dim=1)  # 3 a category
    own = torch.nn.functional.one_hot(categories, 4).repeat_interleave(3, 1) * torch.rand(240, 12)
    priors = own / own.sum(1, keepdim=True)
    head = torch.nn.Linear(16, 8)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.02)
    learned, unseen = slice(0, 120), slice(120, 240)

    def measured() -> tuple[float, float]:
        """Of images that are not learned from: mean cosine with the own nouns' prototypes, overlap of categories."""
        images = normalize(head(features[unseen]), dim=1).detach()
        likeness = ((images @ prototypes.T) * priors[unseen]).sum(1).mean()
        return float(likeness), category_overlap(images.numpy(), categories[unseen].numpy())

    before = measured()
    for _ in range(30):
        optimiser.zero_grad()
        clustering_loss(normalize(head(features[learned]), dim=1), prototypes, priors[learned], 0.1).backward()
        optimiser.step()
    after = measured()
    assert after[0] > before[0] + 0.1
    assert after[1] < before[1] - 0.05
