"""Settings of the packaged model's training; a file may override them, unknown keys are refused."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.models.compact.dual_encoder import CompactParts

ImageTowerSize = Literal["efficientnet_lite0", "efficientnet_lite2"]
"""Those whose ImageNet weights the extra ``train`` brings."""


class TrainingConfig(BaseModel):
    """The recipe; what is 0 by default is left out.

    Learning rates are peaks: a short warm-up, a cosine that would end at ``horizon_epochs``, and over the last
    ``cool_down_epochs`` a line down to zero.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    epochs: int = Field(12, ge=1)
    horizon_epochs: int = Field(12, ge=1)
    cool_down_epochs: int = Field(1, ge=0)
    batch_images: int = Field(128, ge=2)
    captions_per_image: int = Field(1, ge=1)
    image_size: int = Field(160, ge=64, multiple_of=32)
    vocabulary: int = Field(10_000, ge=4_000)
    embed_dim: int = 512
    image_tower: ImageTowerSize = "efficientnet_lite0"
    frozen_stages: int = Field(3, ge=0, le=7, description="stages of the image tower that stay as they are")
    frozen_text_layers: int = Field(0, ge=0, le=6, description="likewise of the text tower, its embeddings included")
    text_buckets: int = Field(4, ge=1, description="texts of a batch are run in this many groups of like length")
    lr_image: float = 3e-4
    lr_text: float = 6e-5
    lr_heads: float = 6e-4
    weight_decay: float = 0.02
    warm_up_fraction: float = 0.05
    gradient_clip: float = 2.0
    ema_decay: float = Field(0.99, ge=0.0, lt=1.0)
    head_steps: int = Field(300, ge=0, description="steps of the heads alone on frozen features before fine-tuning")
    smallest_crop: float = Field(0.35, gt=0.0, le=1.0)
    jitter: float = Field(0.3, ge=0.0)
    rotations: bool = Field(True, description="all eight symmetries of the square; else left and right swapped alone")
    cutmix: float = Field(0.5, ge=0.0, le=1.0, description="share of the batches whose images get a part of another")
    drop_path: float = Field(0.1, ge=0.0, lt=1.0, description="of the image tower's last block, rising from 0")
    feature_dropout: float = Field(0.2, ge=0.0, lt=1.0, description="on the pooled image features")
    likeness_width: float = Field(0.04, ge=0.0, description="of soft targets, see Likeness; 0: hard ones")
    synonym_rate: float = Field(0.3, ge=0.0, le=1.0, description="share of texts in which a noun is replaced")
    mosaic_size: int = Field(192, ge=96, multiple_of=32, description="side of the canvases of four images")
    noun_weight: float = Field(0.3, ge=0.0, description="of the loss of nouns looking for images; 0: left out")
    dense_weight: float = Field(0.3, ge=0.0, description="of each of the two losses on mosaics; 0: left out")
    dense_scale: float = Field(14.0, gt=0.0, description="of the similarities of patches and texts (1 / temperature)")
    attribution_weight: float = Field(0.0, ge=0.0, description="of PriorCLIP's attribution loss with scene labels")
    noun_prior_weight: float = Field(0.0, ge=0.0, description="of the prediction of OSDPM's noun priors")
    triplet_weight: float = Field(0.0, ge=0.0, description="of MPS-CLIP's weighted triplet loss (a sum over pairs)")
    views: int = Field(0, ge=0, description="perspectives of the MPR heads, trained on subimages of nouns")
    view_weight: float = Field(0.2, ge=0.0, description="of the losses of the views")
    token_blocks: int = Field(0, ge=0, description="transformer blocks on the image tower's tokens")
    token_width: int = Field(192, ge=8, multiple_of=8)
    adapter_bottleneck: int = Field(64, ge=0, multiple_of=8, description="of the G²A adapter after each; 0: none")
    queue: int = Field(0, ge=0, description="pairs of earlier batches that serve as further negatives")
    limit_images: int | None = Field(None, ge=8, description="train on the first images only (for trials and tests)")
    max_steps: int | None = Field(None, ge=1, description="stop early (for trials and tests)")
    stop_epoch: int | None = Field(
        None, ge=1, description="end after this epoch; the schedule stays that of all epochs"
    )
    then: TrainingConfig | None = Field(None, description="a second run, from the best weights of this one")

    @property
    def parts(self) -> CompactParts:
        """What the network has beside its towers and heads."""
        return CompactParts(self.views, self.token_blocks, self.token_width, self.adapter_bottleneck, self.image_tower)
