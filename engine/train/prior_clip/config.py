"""Settings of a training of PriorCLIP in the open domain: a TOML or JSON file; unknown keys are refused.

The defaults are those of the second stage, the same as ``resources/recipes/prior-clip-fine.toml``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from engine.datasets.captioned_folder import CAPTION_FIELDS, IMAGE_KEYS, TEXT_KEYS, Keys
from engine.train.runs.settings import (
    AugmentationSettings,
    BackboneSettings,
    OptimiserSettings,
    RunConfig,
    Section,
    read_settings,
)


class ModelSettings(BackboneSettings):
    """The network.

    Attributes:
        temperature: at the start, of the contrastive and of the attribution loss; both are trained.
        train_backbone: also train the CLIP, not its instruction alone.
    """

    temperature: float = Field(0.07, gt=0.0)
    train_backbone: bool = True


class PriorSettings(Section):
    """The scene prior.

    Attributes:
        use: read images by an instruction; without it the CLIP alone is trained.
        file: take the scene prior of this file of ``mpsclip train prior-clip``; empty: that of ``--start`` where it has
            one, else a new one is trained.
        scenes: folder laid out like RSICD whose train split names the scenes that a new one learns, and whose val split
            those it is measured on; empty: that of ``--data``.
        width: of a new one.
    """

    use: bool = True
    file: str = ""
    scenes: str = ""
    width: int = Field(256, ge=1)


class ObjectiveSettings(Section):
    """The objective: contrastive + ``attribution`` times the attribution loss.

    Attributes:
        attribution: weight; pairs without a scene are classes of their own in it.
    """

    attribution: float = Field(1.0, ge=0.0)


class DataSettings(AugmentationSettings):
    """Pairs, where they are found, and their augmentation.

    Attributes:
        layout: of ``--data``: ``rsicd`` (train.jsonl and val.jsonl), ``webdataset`` (tar shards), ``folder`` (pictures
            with captions beside them); ``auto``: the first of these that is there.
        image_keys: endings of pictures in shards and folders.
        text_keys: endings of captions there, the first that a sample has counts.
        caption_fields: of JSON captions, the first that is there counts.
        val: folder laid out like RSICD whose val split selects; empty: that of ``--data``, or where that is no such
            folder a part of it that is not trained on.
        val_pairs: size of that part at most.
        epoch_pairs: pairs after which val is measured; None: all, which are counted first.
        shuffle: samples of a shard that are mixed at a time.
        limit_train: train on so many images only (not of shards), spread evenly (for trials and tests).
        limit_val: likewise for val.
        workers: processes that prepare batches; 0: none besides the main one.
    """

    layout: Literal["auto", "rsicd", "webdataset", "folder"] = "auto"
    image_keys: tuple[str, ...] = IMAGE_KEYS
    text_keys: tuple[str, ...] = TEXT_KEYS
    caption_fields: tuple[str, ...] = CAPTION_FIELDS
    val: str = ""
    val_pairs: int = Field(1000, ge=2)
    epoch_pairs: int | None = Field(None, ge=2)
    shuffle: int = Field(2000, ge=1)
    limit_train: int | None = Field(None, ge=2)
    limit_val: int | None = Field(None, ge=2)
    workers: int = Field(8, ge=0)

    @property
    def keys(self) -> Keys:
        """What the parts of a sample are, see there."""
        return Keys(self.image_keys, self.text_keys, self.caption_fields)


class FineOptimiserSettings(OptimiserSettings):
    """AdamW as in the other trainings, with the second stage's defaults; see :class:`OptimiserSettings`."""

    epochs: int = Field(20, ge=1)
    batch_pairs: int = Field(128, ge=2)
    lr: float = Field(1e-5, gt=0.0)
    new_lr_factor: float = Field(10.0, gt=0.0)
    weight_decay: float = Field(0.01, ge=0.0)


class PriorConfig(RunConfig):
    """All settings of a run."""

    model: ModelSettings = ModelSettings()
    prior: PriorSettings = PriorSettings()
    objective: ObjectiveSettings = ObjectiveSettings()
    data: DataSettings = DataSettings()
    optimiser: FineOptimiserSettings = FineOptimiserSettings()

    @model_validator(mode="after")
    def _something_is_trained(self) -> PriorConfig:
        if not self.prior.use and not self.model.train_backbone:
            raise ValueError("nothing would be trained: set prior.use or model.train_backbone")
        return self


def read_config(file: Path | None) -> PriorConfig:
    """The second stage's defaults, or the settings of a file; see :func:`engine.train.runs.settings.read_settings`.

    Raises:
        UsageError: the file cannot be read, or has an unknown key or a value that cannot be used; names it.
    """
    return read_settings(file, PriorConfig, "resources/recipes/prior-clip-coarse.toml and prior-clip-fine.toml")
