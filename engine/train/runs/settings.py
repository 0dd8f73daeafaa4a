"""Sections of settings that trainings share, and their reading from a TOML or JSON file; unknown keys are refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Section(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BackboneSettings(Section):
    """The CLIP that a training starts from.

    Attributes:
        architecture: a name of open_clip, or a table as in open_clip's model files: ``embed_dim``, ``vision_cfg`` (with
            ``image_size``) and ``text_cfg`` (with ``context_length``).
        weights: of the backbone: an id of ``mpsclip models list`` or a file; empty: random.
    """

    architecture: str | dict[str, Any] = "ViT-B-32-quickgelu"
    weights: str = "openai-vit-b-32"


class AugmentationSettings(Section):
    """What is done to a picture each time it is trained on.

    Attributes:
        smallest_crop: least share of the area that a random resized crop keeps.
        flip: chance of a horizontal flip.
        augment_operations: operations of RandAugment a picture; 0: none.
        augment_magnitude: their magnitude, of 31 steps.
    """

    smallest_crop: float = Field(0.5, gt=0.0, le=1.0)
    flip: float = Field(0.5, ge=0.0, le=1.0)
    augment_operations: int = Field(2, ge=0)
    augment_magnitude: int = Field(7, ge=0, le=30)


class OptimiserSettings(Section):
    """AdamW: a line up over the warm-up, then a line down to zero.

    Attributes:
        epochs: passes over all pairs.
        max_steps: the schedule ends after so many steps where the epochs would give more (for trials and tests).
        batch_pairs: on each device.
        lr: peak learning rate.
        new_lr_factor: times ``lr`` for parameters that are new to the backbone.
        weight_decay: of matrices; vectors and scalars (biases, norms, gates) have none.
        warm_up: share of the steps.
        gradient_clip: largest norm of the gradient; None: as it is.
        patience: epochs without a better val mR after which training stops; None: never.
    """

    epochs: int = Field(35, ge=1)
    max_steps: int | None = Field(None, ge=1)
    batch_pairs: int = Field(64, ge=2)
    lr: float = Field(4e-5, gt=0.0)
    new_lr_factor: float = Field(2.0, gt=0.0)
    weight_decay: float = Field(0.04, ge=0.0)
    warm_up: float = Field(0.1, ge=0.0, lt=1.0)
    gradient_clip: float | None = Field(None, gt=0.0)
    patience: int | None = Field(None, ge=1)


class HardwareSettings(Section):
    """Where it runs: handed to Lightning Fabric as they are.

    Attributes:
        accelerator: ``auto`` takes a GPU where there is one.
        devices: of each node; ``auto``: all of them (on the CPU one).
        nodes: machines.
        strategy: ``auto``, or ``ddp`` (which ``auto`` becomes with several devices).
        precision: of Fabric.
        checkpoint_steps: also keep a checkpoint every so many steps; None: after each epoch alone.
    """

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int | Literal["auto"] = "auto"
    nodes: int = Field(1, ge=1)
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "16-mixed"
    checkpoint_steps: int | None = Field(None, ge=1)


class RunConfig(Section):
    """What the settings of every run have."""

    seed: int = Field(0, ge=0, lt=2**32)
    optimiser: OptimiserSettings = OptimiserSettings()
    hardware: HardwareSettings = HardwareSettings()


Config = TypeVar("Config", bound=RunConfig)


def read_settings(file: Path | None, kind: type[Config], recipe: str) -> Config:
    """The defaults of ``kind``, or the settings of a file (``.toml``, else JSON) with defaults for what it leaves out.

    Args:
        file: None: the defaults alone.
        kind: of settings.
        recipe: where all of them are explained, for messages.

    Raises:
        UsageError: the file cannot be read, or has an unknown key or a value that cannot be used; names it.
    """
    if file is None:
        return kind()
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".toml":
            return kind.model_validate(tomllib.loads(text))
        return kind.model_validate_json(text)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", "Check --config.", file=str(file)) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(step) for step in first["loc"]) or "the file"
        raise UsageError(
            f"{file}: {key} cannot be {first['input']!r}: {first['msg']}.",
            f"The settings and their meaning are in {recipe}.",
            file=str(file),
            key=key,
        ) from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise UsageError(f"{file} cannot be read as TOML: {error}.", "Mend the file.", file=str(file)) from error
