"""The scene classifier behind PriorCLIP's prior, on features that are cached."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.errors import UsageError
from engine.train.prior_clip.scene_prior import scene_labels, scene_names, train_scene_prior
from engine.types import Progress


def clusters(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Features around three centres, and which."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (count,), generator=random)
    centres = 6 * torch.eye(3, 10)
    return centres[labels] + torch.randn(count, 10, generator=random), labels


def test_scenes_are_labelled_by_their_place_among_the_known_ones() -> None:
    names = scene_names(["port", None, "airport", "port"])
    assert names == ["airport", "port"]
    assert scene_labels(["port", None, "airport", "desert"], names).tolist() == [1, -1, 0, -1]


def test_scenes_are_learned_and_images_without_one_are_left_out() -> None:
    features, labels = clusters(300, 0)
    unlabelled = torch.full((100, 10), torch.nan)  # would spoil every weight if it were looked at
    val, val_labels = clusters(200, 1)
    told: list[Progress] = []
    state = torch.get_rng_state()
    model, accuracy = train_scene_prior(
        torch.cat([features, unlabelled]).half(),
        torch.cat([labels, torch.full((100,), -1)]),
        torch.cat([val, val[:1]]),
        torch.cat([val_labels, torch.tensor([-1])]),
        width=64,
        batch=32,
        epochs=12,
        progress=told.append,
    )
    assert torch.equal(torch.get_rng_state(), state)
    prior, logits = model(val)
    assert (prior.shape, logits.shape) == ((200, 64), (200, 3))
    assert accuracy == float((logits.argmax(1) == val_labels).double().mean())
    assert accuracy > 0.9
    assert not model.training
    assert [message.done for message in told] == list(range(1, 13))


def test_the_seed_alone_decides_the_weights() -> None:
    features, labels = clusters(60, 0)

    def weights(seed: int) -> Tensor:
        return train_scene_prior(features, labels, features, labels, epochs=2, seed=seed)[0].hidden.weight

    first = weights(3)
    torch.rand(5)
    assert torch.equal(weights(3), first)
    assert not torch.equal(weights(4), first)


def test_what_cannot_be_trained_is_said() -> None:
    features, labels = clusters(20, 0)
    with pytest.raises(UsageError, match="No validation image has a scene label"):
        train_scene_prior(features, labels, features, torch.full((20,), -1))
    with pytest.raises(UsageError, match=r"training images have features \(20, 10\) and labels \(19,\)"):
        train_scene_prior(features, labels[1:], features, labels)
    with pytest.raises(UsageError, match="label 2, but there are 2 scenes"):
        train_scene_prior(features, labels, features, labels, scenes=2)
