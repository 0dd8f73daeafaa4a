"""Features and recalls of the network as it stands."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine.evaluate.retrieval import RetrievalReport, evaluate_embeddings
from engine.models.compact.dual_encoder import DualEncoder
from engine.models.compact.image_tower import normalise_pixels
from engine.train.packaged.data import TrainingData
from engine.train.packaged.text_features import TextFeatures

IMAGES_AT_ONCE = 64


@torch.no_grad()
def image_embeddings(model: DualEncoder, pixels: Tensor, side: int) -> Tensor:
    """uint8 ``(B, 3, H, W)``, encoded at ``side`` pixels, to ``(B, E)``; leaves the network in evaluation mode."""
    model.eval()
    return torch.cat([model.embed_images(_input(model, part, side)) for part in torch.split(pixels, IMAGES_AT_ONCE)])


@torch.no_grad()
def pooled_features(model: DualEncoder, pixels: Tensor, side: int) -> Tensor:
    """uint8 ``(B, 3, H, W)``, encoded at ``side`` pixels, to the mean of their tokens ``(B, C)``."""
    model.eval()
    return torch.cat(
        [model.tokens(_input(model, part, side)).mean((2, 3)) for part in torch.split(pixels, IMAGES_AT_ONCE)]
    )


def val_report(
    model: DualEncoder, data: TrainingData, side: int, features: TextFeatures | None = None
) -> RetrievalReport:
    """Recalls on RSICD val with the standard captions; ``features``: of the network's text tower, where known."""
    captions = [caption for image in data.val for caption in image.captions]
    owner = np.repeat(np.arange(len(data.val)), [len(image.captions) for image in data.val])
    images = image_embeddings(model, data.val_pixels, side)
    features = features or TextFeatures(model.text_tower, data.tokenizer)
    with torch.no_grad():
        texts = model.embed_text_features(features(captions))
    return evaluate_embeddings(images.cpu().numpy(), texts.cpu().numpy(), owner, "packaged", "val")


def _input(model: DualEncoder, pixels: Tensor, side: int) -> Tensor:
    resized = interpolate(pixels.float(), (side, side), mode="bilinear", antialias=True)
    return normalise_pixels(resized).to(model.log_scale.device, memory_format=torch.channels_last)
