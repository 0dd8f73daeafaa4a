"""Settings of the distillation."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.train.packaged.config import ImageTowerSize


class ImageRound(BaseModel):
    """One training of the image student. Learning rates are peaks of a short warm-up and a cosine to 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_epochs: float = Field(12, gt=0)
    image_batch: int = Field(128, ge=2)
    image_size: int = Field(160, ge=64, multiple_of=16)
    late_image_size: int = Field(192, ge=64, multiple_of=16, description="side in the last part of the training")
    late_share: float = Field(0.4, ge=0.0, le=1.0)
    frozen_stages: int = Field(3, ge=0, le=7)
    lr_image: float = 3e-4
    drop_path: float = Field(0.05, ge=0.0, lt=1.0)
    jitter: float = Field(0.3, ge=0.0)
    dense_weight: float = Field(0.2, ge=0.0, description="of the losses on mosaics, in every other step; 0: left out")
    cosine_weight: float = Field(4.0, ge=0.0, description="of 1 - cosine, beside the divergence on the bank")
    bank: int = Field(2000, ge=1, description="targets of the other kind that a step compares with")
    weight_decay: float = 0.02
    gradient_clip: float = 2.0
    ema_decay: float = Field(0.995, ge=0.0, lt=1.0)


class DistilConfig(ImageRound):
    """Teachers, what they look at, and how the image student is trained."""

    seed: int = 0
    teacher_size: int = Field(192, ge=64, multiple_of=32, description="side at which teachers see images")
    crops: int = Field(2, ge=0, description="of each image, drawn once")
    mixtures: int = Field(2, ge=0, description="of each image with another, drawn once")
    smallest_crop: float = Field(0.4, gt=0.0, le=1.0, description="share of the area")
    turns: int = Field(2, ge=1, le=8, description="symmetries of a crop or mixture that teachers see; whole images: 4")
    hub_strength: float = Field(0.6, ge=0.0, description="of the correction of hubs, see TargetSpace; 0: none")
    hub_scale: float = Field(20.0, gt=0.0)
    image_tower: ImageTowerSize | None = Field(None, description="None: the first teacher's, and from its weights")
    image_start: Literal["first", "mean"] = Field(
        "first", description="the first teacher's weights, or the mean of all teachers' that have the same image tower"
    )
    text_tower: Literal["first", "mean"] = Field(
        "first", description="the first teacher's, or the mean of all, which must have the student's word pieces"
    )
    vocabulary: int | None = Field(None, ge=4_000, description="word pieces; None: as many as the first teacher's")
    image_hub_strength: float = Field(
        0.35, ge=0.0, description="of images' hub terms: the more, the better for captions, the worse for single words"
    )
    hub_centres: int = Field(64, ge=0, description="of the banks of the hub terms; 0: the head's own terms are kept")
    then: ImageRound | None = Field(None, description="another round of the image student, from where the first ended")
