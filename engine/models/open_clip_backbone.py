"""Any open_clip architecture as a :class:`RetrievalModel`; the library is used as published.

Patch embeddings are the image tower's tokens taken through the same last norm and projection as the class token, so
that they can be compared with text embeddings. In a ResNet these are the value and output projections of its attention
pool (MaskCLIP, Zhou et al. 2022, arXiv 2112.01071).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.coca_model import CoCa
from open_clip.model import CLIP, CustomTextCLIP, convert_to_custom_text_state_dict
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from engine.errors import ModelError, UsageError
from engine.models.catalogue import CLIP_MEAN, CLIP_STD, Channels
from engine.models.checkpoint import load_strictly, read_state_dict
from engine.models.contract import ModelIdentity, RetrievalModel
from engine.types import UInt8Array

TEXT_BATCH = 256


class OpenClipModel(RetrievalModel):
    """:class:`RetrievalModel` over an open_clip model; on CUDA it runs under float16 autocast.

    Args:
        net: the model, its weights loaded.
        tokenizer: texts to token ids ``(B, L)``.
        identity: goes into the index key.
        image_size: side of the square input, pixels.
        embed_dim: width E of the shared space.
        mean: of the RGB channels, for values in [0, 1].
        std: deviation of the same.
        device: where it runs.
    """

    def __init__(
        self,
        net: nn.Module,
        tokenizer: Any,
        identity: ModelIdentity,
        *,
        image_size: int,
        embed_dim: int,
        mean: Channels,
        std: Channels,
        device: torch.device,
    ) -> None:
        self.net: Any = net.to(device).eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.identity, self.image_size, self.embed_dim, self.device = identity, image_size, embed_dim, device
        self._mean = torch.tensor(mean, device=device).view(1, 3, 1, 1) * 255
        self._std = torch.tensor(std, device=device).view(1, 3, 1, 1) * 255

    def preprocess(self, images: UInt8Array | Tensor) -> Tensor:
        pixels = torch.tensor(images) if isinstance(images, np.ndarray) else images
        pixels = pixels.to(self.device).permute(0, 3, 1, 2).float()  # (B, 3, H, W) in [0, 255]
        size = (self.image_size, self.image_size)
        if pixels.shape[-2:] != size:
            # Bicubic overshoots at edges; clamped to the range of the 8-bit images of CLIP's own preprocessing.
            pixels = interpolate(pixels, size, mode="bicubic", antialias=True).clamp_(0, 255)
        return (pixels - self._mean) / self._std

    @torch.inference_mode()
    def encode_images(self, images: Tensor) -> Tensor:
        with self._autocast():
            features = self.net.encode_image(images.to(self.device))
        return normalize(features.float(), dim=-1)

    @torch.inference_mode()
    def encode_patches(self, images: Tensor) -> Tensor:
        with self._autocast():
            patches = patch_features(self.net.visual, images.to(self.device), self.identity.architecture)
        return normalize(patches.float(), dim=-1)

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        parts = [torch.zeros(0, self.embed_dim, device=self.device)]
        for start in range(0, len(texts), TEXT_BATCH):
            tokens = self.tokenizer(list(texts[start : start + TEXT_BATCH])).to(self.device)  # (B, L)
            with self._autocast():
                parts.append(normalize(self.net.encode_text(tokens).float(), dim=-1))
        return torch.cat(parts)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.float16, enabled=self.device.type == "cuda")


def patch_features(visual: nn.Module, images: Tensor, architecture: str) -> Tensor:
    """Projected, not yet normalised features of the patches of ``(B, 3, H, W)``: ``(B, h, w, E)``.

    Raises:
        ModelError: the tower's pooling leaves no patch features that could be compared with texts.
    """
    if isinstance(visual, VisionTransformer) and visual.attn_pool is None and visual.proj is not None:
        tokens: Tensor = visual.forward_intermediates(
            images, indices=1, normalize_intermediates=True, intermediates_only=True, output_fmt="NLC"
        )["image_intermediates"][-1]  # (B, N, D), row by row
        rows = images.shape[-2] // visual.patch_size[0]
        projected: Tensor = tokens @ visual.proj
        return projected.reshape(len(images), rows, -1, projected.shape[-1])
    if isinstance(visual, ModifiedResNet) and visual.attnpool is not None:
        features = visual.stem(images)
        for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
            features = layer(features)  # at last (B, D, h, w)
        values: Tensor = visual.attnpool.c_proj(visual.attnpool.v_proj(features.permute(0, 2, 3, 1)))
        return values
    raise ModelError(
        f"The image tower of {architecture} has no patch embeddings that can be compared with words.",
        "Use a ViT or ResNet architecture of CLIP, or search without outlines (segmenter none).",
        architecture=architecture,
    )


def load_open_clip(
    architecture: str,
    file: Path,
    *,
    model_id: str,
    weights: str,
    device: torch.device,
    mean: Channels = CLIP_MEAN,
    std: Channels = CLIP_STD,
    ignored_keys: Collection[str] = (),
) -> OpenClipModel:
    """An open_clip model with the weights of a file, loaded strictly.

    Args:
        architecture: open_clip's name, such as ``ViT-B-32-quickgelu``.
        file: safetensors or a PyTorch state dict.
        model_id: how the model is named to people.
        weights: sha256 of the file (hex).
        device: where it runs.
        mean: of the RGB channels, for values in [0, 1].
        std: deviation of the same.
        ignored_keys: surplus keys of the file that are no error.

    Raises:
        UsageError: open_clip does not know the architecture.
        ModelError: the file cannot be read or does not fit.
    """
    config = architecture_config(architecture)
    net = build_net(config)
    load_weights(net, file, ignored_keys)
    size = image_side(config, architecture)
    identity = ModelIdentity(model_id, architecture, weights, describe_preprocessing(size, mean, std))
    return OpenClipModel(
        net,
        load_tokenizer(architecture),
        identity,
        image_size=size,
        embed_dim=int(config["embed_dim"]),
        mean=mean,
        std=std,
        device=device,
    )


def load_weights(net: nn.Module, file: Path, ignored_keys: Collection[str] = ()) -> None:
    """Loads the weights of a file into a model of :func:`build_net`, strictly.

    Args:
        net: the model.
        file: safetensors or a PyTorch state dict.
        ignored_keys: surplus keys of the file that are no error.

    Raises:
        ModelError: the file cannot be read or does not fit.
    """
    state = read_state_dict(file)
    if not hasattr(net, "positional_embedding") and "positional_embedding" in state:
        state = convert_to_custom_text_state_dict(state)
    for scalar in ("logit_scale", "logit_bias"):  # stored as a number or as a vector of one, by version
        own = getattr(net, scalar, None)
        if own is not None and scalar in state:
            state[scalar] = state[scalar].reshape(own.shape)
    load_strictly(net, state, file, ignored_keys)


def describe_preprocessing(size: int, mean: Channels, std: Channels) -> str:
    """How :class:`OpenClipModel` prepares tiles, for :class:`ModelIdentity`."""
    return f"bicubic {size}px mean {mean} std {std}"


def architecture_config(architecture: str) -> dict[str, Any]:
    """open_clip's own description of an architecture.

    Raises:
        UsageError: open_clip does not know it; the message lists close ones.
    """
    known = open_clip.list_models()
    if architecture not in known:
        close = ", ".join(difflib.get_close_matches(architecture, known, n=3, cutoff=0.4)) or ", ".join(known[:3])
        raise UsageError(
            f"open_clip knows no architecture {architecture!r}.",
            f"Close to it: {close}. All: python -c 'import open_clip; print(open_clip.list_models())'",
            architecture=architecture,
        )
    config: dict[str, Any] = open_clip.get_model_config(architecture)
    return config


def build_net(config: dict[str, Any]) -> nn.Module:
    """The model of a configuration of :func:`architecture_config`, with random weights.

    Not ``open_clip.create_model``: without weights to load it warns, on the root logger, that they are random.
    """
    config = {**config, "vision_cfg": dict(config["vision_cfg"]), "text_cfg": dict(config["text_cfg"])}
    is_custom = bool(config.pop("custom_text", False)) or "hf_model_name" in config["text_cfg"]
    if "timm_model_name" in config["vision_cfg"]:
        config["vision_cfg"]["timm_model_pretrained"] = False
    if "hf_model_name" in config["text_cfg"]:
        config["text_cfg"]["hf_model_pretrained"] = False
    build = CoCa if is_custom and "multimodal_cfg" in config else CustomTextCLIP if is_custom else CLIP
    net: nn.Module = build(**config)
    return net


def load_tokenizer(architecture: str) -> Any:
    """open_clip's tokenizer of an architecture: texts to token ids ``(B, L)`` int64, padded to the context length.

    Raises:
        ModelError: it is not on this machine and cannot be fetched.
    """
    try:
        return open_clip.get_tokenizer(architecture)
    except OSError as error:  # tokenizers that open_clip does not carry come from the hub
        raise ModelError(
            f"The tokenizer of {architecture} is not on this machine: {str(error).splitlines()[0]}",
            "Connect to the network once, so that it is fetched and kept.",
            architecture=architecture,
        ) from error


def image_side(config: dict[str, Any], architecture: str) -> int:
    """Side of the square input of a configuration of :func:`architecture_config`, pixels.

    Raises:
        ModelError: it is no square.
    """
    size: int | Sequence[int] = config["vision_cfg"].get("image_size", 224)
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1:
        raise ModelError(f"{architecture} takes images of {size}; tiles are square.", "Choose another architecture.")
    return sides.pop()
