"""Settings of a training of MPS-CLIP: a TOML or JSON file; unknown keys are refused.

The defaults are the released recipe (docs/models.md), the same as ``resources/recipes/mps-clip-vit-b-32.toml``.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from engine.config import SegmenterName
from engine.train.runs.settings import AugmentationSettings, BackboneSettings, RunConfig, Section, read_settings


class ModelSettings(BackboneSettings):
    """The network.

    Attributes:
        bottleneck: width of the adapters.
        adapter_heads: attention heads in an adapter.
        views: perspectives K.
        temperature: of the base contrastive objective, not trained.
        train_backbone: also train the backbone, not adapters and heads alone.
    """

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


class ObjectiveSettings(Section):
    """The objective.

    Attributes:
        margin: of the weighted triplets, in cosine.
        hardest: triplets keep only the largest cost of each image and each text.
        view_weight: of the two multi-view terms.
    """

    margin: float = Field(0.2, ge=0.0)
    hardest: bool = False
    view_weight: float = Field(0.2, ge=0.0)


class DataSettings(AugmentationSettings):
    """Pairs, their augmentation and their regions.

    Attributes:
        regions: subimages a pair at most, in the order of the caption's keywords; 0: none, no segmenter is needed.
        segmenter: what outlines the keywords.
        segmenter_model: the retrieval model that the segmenter may look through; an id or a local file, as ``--model``.
        paraphrases: also train on the further wordings that the data set has.
        kept_side: pictures are decoded once, shrunk to this side and kept in memory; None: decoded each time.
        limit_train: train on so many images only, spread evenly over the split (for trials and tests).
        limit_val: likewise for val.
        workers: processes that prepare batches; 0: none besides the main one.
    """

    regions: int = Field(3, ge=0)
    segmenter: SegmenterName = SegmenterName.RELEVANCE
    segmenter_model: str = "rsicd-mini"
    paraphrases: bool = False
    kept_side: int | None = Field(None, ge=16)
    limit_train: int | None = Field(None, ge=2)
    limit_val: int | None = Field(None, ge=2)
    workers: int = Field(8, ge=0)


class TrainingConfig(RunConfig):
    """All settings of a run."""

    model: ModelSettings = ModelSettings()
    objective: ObjectiveSettings = ObjectiveSettings()
    data: DataSettings = DataSettings()


def read_config(file: Path | None) -> TrainingConfig:
    """The released recipe, or the settings of a file; see :func:`engine.train.runs.settings.read_settings`.

    Raises:
        UsageError: the file cannot be read, or has an unknown key or a value that cannot be used; names it.
    """
    return read_settings(file, TrainingConfig, "resources/recipes/mps-clip-vit-b-32.toml")
