"""Settings of a training of MPS-CLIP: a TOML or JSON file; unknown keys are refused.

The defaults are the released recipe (docs/models.md), the same as ``resources/recipes/mps-clip-vit-b-32.toml``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.config import SegmenterName
from engine.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(_Section):
    """The network.

    Attributes:
        architecture: a name of open_clip, or a table as in open_clip's model files: ``embed_dim``, ``vision_cfg`` (with
            ``image_size``) and ``text_cfg`` (with ``context_length``).
        weights: of the backbone: an id of ``mpsclip models list`` or a file; empty: random.
        bottleneck: width of the adapters.
        adapter_heads: attention heads in an adapter.
        views: perspectives K.
        temperature: of the base contrastive objective, not trained.
        train_backbone: also train the backbone, not adapters and heads alone.
    """

    architecture: str | dict[str, Any] = "ViT-B-32-quickgelu"
    weights: str = "openai-vit-b-32"
    bottleneck: int = Field(128, ge=1)
    adapter_heads: int = Field(8, ge=1)
    views: int = Field(4, ge=1)
    temperature: float = Field(0.07, gt=0.0)
    train_backbone: bool = False

    @model_validator(mode="after")
    def _random_weights_are_trained(self) -> ModelSettings:
        if not self.weights and not self.train_backbone:
            raise ValueError("a backbone without weights has to be trained: set train_backbone = true")
        return self


class ObjectiveSettings(_Section):
    """The objective.

    Attributes:
        margin: of the weighted triplets, in cosine.
        hardest: triplets keep only the largest cost of each image and each text.
        view_weight: of the two multi-view terms.
    """

    margin: float = Field(0.2, ge=0.0)
    hardest: bool = False
    view_weight: float = Field(0.2, ge=0.0)


class DataSettings(_Section):
    """Pairs, their augmentation and their regions.

    Attributes:
        smallest_crop: least share of the area that a random resized crop keeps.
        flip: chance of a horizontal flip.
        augment_operations: operations of RandAugment a picture; 0: none.
        augment_magnitude: their magnitude, of 31 steps.
        regions: subimages a pair at most, in the order of the caption's keywords; 0: none, no segmenter is needed.
        segmenter: what outlines the keywords.
        segmenter_model: the retrieval model that the segmenter may look through; an id or a local file, as ``--model``.
        paraphrases: also train on the further wordings that the data set has.
        kept_side: pictures are decoded once, shrunk to this side and kept in memory; None: decoded each time.
        limit_train: train on so many images only, spread evenly over the split (for trials and tests).
        limit_val: likewise for val.
        workers: processes that prepare batches; 0: none besides the main one.
    """

    smallest_crop: float = Field(0.5, gt=0.0, le=1.0)
    flip: float = Field(0.5, ge=0.0, le=1.0)
    augment_operations: int = Field(2, ge=0)
    augment_magnitude: int = Field(7, ge=0, le=30)
    regions: int = Field(3, ge=0)
    segmenter: SegmenterName = SegmenterName.RELEVANCE
    segmenter_model: str = "rsicd-mini"
    paraphrases: bool = False
    kept_side: int | None = Field(None, ge=16)
    limit_train: int | None = Field(None, ge=2)
    limit_val: int | None = Field(None, ge=2)
    workers: int = Field(8, ge=0)


class OptimiserSettings(_Section):
    """AdamW: a line up over the warm-up, then a line down to zero.

    Attributes:
        epochs: passes over all pairs.
        max_steps: the schedule ends after so many steps where the epochs would give more (for trials and tests).
        batch_pairs: on each device.
        lr: peak learning rate.
        new_lr_factor: times ``lr`` for adapters and heads.
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


class HardwareSettings(_Section):
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


class TrainingConfig(_Section):
    """All settings of a run."""

    seed: int = Field(0, ge=0, lt=2**32)
    model: ModelSettings = ModelSettings()
    objective: ObjectiveSettings = ObjectiveSettings()
    data: DataSettings = DataSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    hardware: HardwareSettings = HardwareSettings()


def read_config(file: Path | None) -> TrainingConfig:
    """The released recipe, or the settings of a file (``.toml``, else JSON); what it leaves out is as in the recipe.

    Raises:
        UsageError: the file cannot be read, or has an unknown key or a value that cannot be used; names it.
    """
    if file is None:
        return TrainingConfig()
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".toml":
            return TrainingConfig.model_validate(tomllib.loads(text))
        return TrainingConfig.model_validate_json(text)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", "Check --config.", file=str(file)) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(step) for step in first["loc"]) or "the file"
        raise UsageError(
            f"{file}: {key} cannot be {first['input']!r}: {first['msg']}.",
            "The settings and their meaning are in resources/recipes/mps-clip-vit-b-32.toml.",
            file=str(file),
            key=key,
        ) from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise UsageError(f"{file} cannot be read as TOML: {error}.", "Mend the file.", file=str(file)) from error
