"""PriorCLIP of the open domain as a :class:`RetrievalModel`: ``prior_clip:FILE[@BACKBONE]``."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor

from engine.models.catalogue import Channels
from engine.models.contract import ModelIdentity
from engine.models.open_clip_backbone import OpenClipModel, describe_preprocessing
from engine.models.prior_clip.instruction_file import PREFIX, load_prior, read_prior
from engine.models.prior_clip.instruction_network import PriorClip
from engine.models.trained_file import find_backbone, parse_form
from engine.models.weights import file_sha256
from engine.types import ProgressSink, no_progress


class PriorClipModel(OpenClipModel):
    """:class:`RetrievalModel` over a :class:`PriorClip`: every image, subimages too, is read by its own prior.

    Args:
        model: the network, its weights loaded.
        tokenizer: texts to token ids ``(B, L)``.
        identity: goes into the index key.
        image_size: side of the square input, pixels.
        mean: of the RGB channels, for values in [0, 1].
        std: deviation of the same.
        device: where it runs; on CUDA under float16 autocast.
    """

    def __init__(
        self,
        model: PriorClip,
        tokenizer: Any,
        identity: ModelIdentity,
        *,
        image_size: int,
        mean: Channels,
        std: Channels,
        device: torch.device,
    ) -> None:
        super().__init__(
            model.clip,
            tokenizer,
            identity,
            image_size=image_size,
            embed_dim=model.embed_dim,
            mean=mean,
            std=std,
            device=device,
        )
        self.model = model.to(device).eval().requires_grad_(False)

    @torch.inference_mode()
    def encode_images(self, images: Tensor) -> Tensor:
        with self._autocast():
            return self.model.embed_images(images.to(self.device))[0]

    @torch.inference_mode()
    def encode_patches(self, images: Tensor) -> Tensor:
        with self._autocast():
            patches = self.model.embed_images(images.to(self.device))[1]  # (B, N, E)
        rows = images.shape[-2] // self.net.visual.patch_size[0]
        return patches.reshape(len(images), rows, -1, self.embed_dim)


def load_prior_clip(given: str, device: torch.device, progress: ProgressSink = no_progress) -> PriorClipModel:
    """Loads what a user names by ``prior_clip:FILE`` or ``prior_clip:FILE@BACKBONE``.

    FILE is what ``mpsclip train prior-clip`` wrote. Its backbone, which the scene prior looks through, is found by what
    the file records of it: in the catalogue, or beside the file. BACKBONE, a file or an id of the catalogue, says where
    else it is; it must be the same.

    Args:
        given: the form with its prefix.
        device: where the model runs.
        progress: receives the progress of a download.

    Raises:
        UsageError: the form is incomplete, or BACKBONE is neither a file nor an id.
        ModelError: a file is missing or damaged, does not fit, or belongs to another backbone;
            :class:`engine.errors.DownloadError` if the backbone cannot be fetched.
    """
    file, backbone = parse_form(given, PREFIX)
    source = find_backbone(read_prior(file)[0], file, backbone, PREFIX, progress)
    built, record = load_prior(source, file)
    weights = hashlib.sha256(f"{record.backbone_sha256} {file_sha256(file)}".encode()).hexdigest()
    preprocessing = describe_preprocessing(built.image_size, record.mean, record.std)
    return PriorClipModel(
        built.model,
        built.tokenizer,
        ModelIdentity(f"{PREFIX}{file.name}", f"prior_clip {record.architecture}", weights, preprocessing),
        image_size=built.image_size,
        mean=record.mean,
        std=record.std,
        device=device,
    )
