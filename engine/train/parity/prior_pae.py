"""Outputs and losses of PriorCLIP's closed domain for a reference file of the kind ``prior_pae``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import BaseModel, Field
from torch import Tensor

from engine.errors import ModelError
from engine.models.checkpoint import StateDict, read_state_dict
from engine.models.prior_clip.heads import PriorPAE
from engine.train.losses import attribution, triplet
from engine.train.objectives import contrastive
from engine.train.parity.fixture import Fixture, described, expected_names, in_shape

INPUTS = frozenset({"vision_tokens", "prior_features", "text_tokens", "loss_image", "loss_text", "label"})


class Description(BaseModel):
    """Sizes of the model and the triplet's margin; others are ignored, for the temperatures are among the weights."""

    embed_dim: int = Field(gt=0)
    vision_width: int = Field(gt=0)
    text_width: int = Field(gt=0)
    prior_width: int = Field(gt=0)
    heads: int = Field(gt=0)
    filter_size: int = Field(gt=0)
    instruction_layers: int = Field(gt=0)
    cycle_steps: int = Field(gt=0)
    margin: float


def compute(fixture: Fixture) -> StateDict:
    """Every output and loss that the file expects, computed here in float32 on the CPU.

    Raises:
        ModelError: the description is incomplete, the weights do not fit it, an input is missing or fits neither, or
            the file expects something that PriorCLIP does not have.
    """
    sizes = described(fixture, Description)
    model = _build(fixture, sizes)
    results = _results(fixture, sizes, model)
    names = expected_names(fixture, INPUTS, results, "PriorCLIP")
    try:
        with torch.no_grad():
            return {name: in_shape(fixture, name, results[name]()) for name in names}
    except (RuntimeError, IndexError) as error:  # what PyTorch raises where sizes do not go together
        raise ModelError(
            f"The inputs in {fixture.path} fit neither each other nor {fixture.name}.json: {error}",
            "Use the files as they were made, all three of one fixture.",
            path=str(fixture.path),
        ) from error


def _build(fixture: Fixture, sizes: Description) -> PriorPAE:
    try:
        model = PriorPAE(
            sizes.vision_width,
            sizes.text_width,
            sizes.prior_width,
            sizes.embed_dim,
            filter_size=sizes.filter_size,
            layers=sizes.instruction_layers,
            cycle_steps=sizes.cycle_steps,
            heads=sizes.heads,
        )
    except ValueError as error:  # the heads do not divide the width
        raise ModelError(f"{fixture.name}.json describes no model: {error}", "Mend the sizes.") from error
    model.load_released_state_dict(read_state_dict(fixture.weights), fixture.weights)
    return model.eval()


def _results(fixture: Fixture, sizes: Description, model: PriorPAE) -> dict[str, Callable[[], Tensor]]:
    """How each is computed; a file needs those inputs alone that its own outputs and losses ask for."""

    def pairs() -> tuple[Tensor, Tensor]:
        return fixture.input("loss_image"), fixture.input("loss_text")

    def scores() -> Tensor:
        images, texts = pairs()
        return images @ texts.T

    return {
        "out_vision": lambda: model.embed_images(fixture.input("vision_tokens"), fixture.input("prior_features")),
        "out_text": lambda: model.embed_texts(fixture.input("text_tokens")),
        "loss_contrastive": lambda: contrastive(*pairs(), model.temp),
        "loss_affiliation": lambda: attribution(*pairs(), fixture.input("label").long(), model.temp2),
        "loss_triplet": lambda: triplet(scores(), sizes.margin),
    }
