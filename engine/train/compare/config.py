"""Settings that all runs of a comparison share."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.errors import UsageError

STEPS = 300


@dataclass(frozen=True, slots=True)
class CompareConfig:
    """One budget and one recipe for every row; the rows differ in their parts and the terms of their losses alone.

    Attributes:
        steps: of each run.
        batch: pairs a step, each of another image.
        side: pixels at which images are encoded.
        views: fixed pictures of each training image, the first upright and whole.
        smallest_crop: least share of the area that the other views keep.
        jitter: their change of colour.
        vocabulary: word pieces of the published text tower that are kept.
        head_steps: of the heads alone, before all runs; the packaged backbone has heads.
        feature_dropout: before the heads, where they are trained.
        lr_image: of the image tower's last stage.
        lr_text: of the text tower's last layer.
        lr_heads: of the heads and the logit scale.
        lr_parts: of the systems' parts, which begin at nothing.
        weight_decay: of AdamW.
        gradient_clip: norm.
        warm_up: share of the steps in which rates rise; they then fall to zero as a cosine.
        ema_decay: of the averaged weights, which are what is measured.
        prototype_steps: after so many, the embeddings of all nouns are computed anew.
        triplet_weight: of MPS-CLIP's weighted triplet, a sum over pairs.
        view_weight: of the losses of the views.
        attribution_weight: of PriorCLIP's attribution loss.
        noun_prior_weight: of the prediction of OSDPM's noun priors.
        clustering_weight: of OSDPM's clustering loss.
        clustering_temperature: of its softmax over prototypes.
        limit_images: train on so many images at most, taken evenly from all.
        speed_seconds: for which each row's speed is measured.
    """

    steps: int = STEPS
    batch: int = 128
    side: int = 192
    views: int = 3
    smallest_crop: float = 0.5
    jitter: float = 0.2
    vocabulary: int = 7900
    head_steps: int = 150
    feature_dropout: float = 0.3
    lr_image: float = 3e-4
    lr_text: float = 1e-4
    lr_heads: float = 5e-4
    lr_parts: float = 6e-4
    weight_decay: float = 0.02
    gradient_clip: float = 2.0
    warm_up: float = 0.1
    ema_decay: float = 0.98
    prototype_steps: int = 25
    triplet_weight: float = 0.1
    view_weight: float = 0.2
    attribution_weight: float = 1.0
    noun_prior_weight: float = 0.3
    clustering_weight: float = 0.3
    clustering_temperature: float = 0.07
    limit_images: int | None = None
    speed_seconds: float = 3.0


def with_steps(config: CompareConfig, steps: int | None) -> CompareConfig:
    """The same with another number of steps; None: as it is.

    Raises:
        UsageError: there are none.
    """
    if steps is None:
        return config
    if steps < 1:
        raise UsageError(f"{steps} steps train nothing.", "Give 1 or more with --steps.", steps=steps)
    return replace(config, steps=steps)


def quick(config: CompareConfig) -> CompareConfig:
    """The same on few images and for few steps: it shows that all works, and nothing else."""
    return replace(config, steps=min(config.steps, 20), views=1, head_steps=20, limit_images=1024)
