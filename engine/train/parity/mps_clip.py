"""MPS-CLIP's outputs and losses for a reference file of the kind ``mps_clip``."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import BaseModel, Field

from engine.errors import ModelError
from engine.models.checkpoint import StateDict, read_state_dict
from engine.models.contract import fuse, region_mean
from engine.models.mps_clip.network import MpsClip
from engine.models.open_clip_backbone import build_net
from engine.train.objectives import (
    contrastive,
    multi_view_contrastive,
    multi_view_triplet,
    total_contrastive,
    total_triplet,
    training_region_feature,
    view_scores,
    weighted_triplet,
)
from engine.train.parity.fixture import Fixture, described, expected_names, in_shape

INPUTS = frozenset({"image", "regions", "region_mask", "token_ids", "image_id"})


class Vision(BaseModel):
    """The image tower, in open_clip's words."""

    layers: int = Field(gt=0)
    width: int = Field(gt=0)
    head_width: int = Field(gt=0)
    patch_size: int = Field(gt=0)
    image_size: int = Field(gt=0)


class Text(BaseModel):
    """The text tower, in open_clip's words."""

    context_length: int = Field(gt=0)
    vocab_size: int = Field(gt=0)
    width: int = Field(gt=0)
    heads: int = Field(gt=0)
    layers: int = Field(gt=0)


class Description(BaseModel):
    """Sizes of the model and constants of its objectives, as models of this kind are described; others are ignored."""

    embed_dim: int = Field(gt=0)
    vision: Vision
    text: Text
    quick_gelu: bool
    mpr_views: int = Field(gt=0)
    adapter_bottleneck: int = Field(gt=0)
    adapter_heads: int = Field(gt=0)
    margin: float
    gamma: float
    lambda_contrastive: float
    lambda_triplet: float


def compute(fixture: Fixture) -> StateDict:
    """Every output and loss that the file expects, computed here in float32 on the CPU.

    Raises:
        ModelError: the description is incomplete, the weights do not fit it, an input is missing, or the file expects
            something that MPS-CLIP does not have.
    """
    sizes = described(fixture, Description)
    with torch.no_grad():
        computed = _compute_all(fixture, sizes, _build(fixture, sizes))
    names = expected_names(fixture, INPUTS, computed, "MPS-CLIP")
    return {name: in_shape(fixture, name, computed[name]) for name in names}


def _build(fixture: Fixture, sizes: Description) -> MpsClip:
    state = read_state_dict(fixture.weights)
    vision, text = sizes.vision.model_dump(), sizes.text.model_dump()
    for config, tower in ((vision, "model.visual.transformer"), (text, "model.transformer")):
        hidden = state.get(f"{tower}.resblocks.0.mlp.c_fc.bias")  # the description does not say how wide the MLPs are
        if hidden is not None:
            config["mlp_ratio"] = len(hidden) / config["width"]
    try:
        model = MpsClip(
            build_net(
                {
                    "embed_dim": sizes.embed_dim,
                    "quick_gelu": sizes.quick_gelu,
                    "vision_cfg": vision,
                    "text_cfg": text,
                }
            ),
            bottleneck=sizes.adapter_bottleneck,
            adapter_heads=sizes.adapter_heads,
            views=sizes.mpr_views,
        )
    except (ValueError, AssertionError) as error:  # open_clip asserts that heads divide widths
        raise ModelError(f"{fixture.name}.json describes no model: {error}", "Mend the sizes.") from error
    model.load_released_state_dict(state, fixture.weights)
    return model.eval()


def _compute_all(fixture: Fixture, sizes: Description, model: MpsClip) -> StateDict:
    mask, ids = fixture.input("region_mask").bool(), fixture.input("image_id")
    image = model.embed_images(fixture.input("image"))
    text = model.embed_texts(fixture.input("token_ids"))
    regions = model.embed_regions(fixture.input("regions"), mask)
    i, t, tau, scale = image.whole, text.whole, model.temperature, model.logit_scale
    views = model.views(training_region_feature(regions, mask, i))
    inference_mean = region_mean(regions, mask)
    costs: dict[str, Any] = {"margin": sizes.margin, "gamma": sizes.gamma}
    scores = i @ t.T
    by_ids, triplet = contrastive(i, t, tau, ids), weighted_triplet(scores, **costs)
    view_contrastive = multi_view_contrastive(views, t, scale)
    view_triplet = multi_view_triplet(views, t, **costs)
    return {
        "out_image_global": i,
        "out_patch_features": image.patches,
        "out_text": t,
        "out_word_features": text.words,
        "out_region_mean": inference_mean,
        "out_image_fused": fuse(i, inference_mean),
        "out_views": views,
        "out_view_logits_max": scale * view_scores(views, t),
        "logit_scale_exp": scale,
        "loss_contrastive_ids": by_ids,
        "loss_contrastive_diag": contrastive(i, t, tau),
        "loss_triplet": triplet,
        "loss_triplet_hardest": weighted_triplet(scores, **costs, hardest=True),
        "loss_view_contrastive": view_contrastive,
        "loss_view_triplet": view_triplet,
        "loss_total_contrastive": total_contrastive(by_ids, view_contrastive, sizes.lambda_contrastive),
        "loss_total_triplet": total_triplet(triplet, view_triplet, sizes.lambda_triplet),
    }
