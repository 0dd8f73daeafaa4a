"""MPS-CLIP (arXiv 2601.18190) around an open_clip model that is used as published.

The adapters become children of the blocks, under the name of released checkpoints, and a forward hook of each block
applies them: whatever way open_clip takes through its blocks (plain, intermediates, gradient checkpoints) passes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from open_clip.model import CLIP
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import normalize

from engine.errors import ModelError
from engine.models.checkpoint import StateDict, require_fit
from engine.models.mps_clip.g2_adapter import G2Adapter
from engine.models.mps_clip.mpr import PerspectiveHeads

ADAPTER = "g2adapter"
# Released checkpoints carry the positional encodings of every adapter, (1, 10000, bottleneck); they are no weights.
_POSITIONS = f".{ADAPTER}.global_attention.attn.pos_enc.pe"


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """Normalised embeddings of images: ``whole`` ``(B, E)``, ``patches`` ``(B, N, E)`` row by row."""

    whole: Tensor
    patches: Tensor


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """Normalised embeddings of texts: ``whole`` ``(B, E)`` at the end of text, ``words`` ``(B, L, E)`` everywhere."""

    whole: Tensor
    words: Tensor


class MpsClip(nn.Module):
    """A frozen CLIP with G²A adapters after each block of both towers, and MPR heads.

    Args:
        clip: open_clip's model; it is taken over: adapters are attached to it and its parameters are frozen.
        bottleneck: width of the adapters.
        adapter_heads: attention heads in the adapters.
        views: K perspectives.
        temperature: τ of the contrastive objective.

    Raises:
        ModelError: ``clip`` is none of CLIP's dual encoders with a ViT and class token, or has adapters already.
    """

    temperature: Tensor

    def __init__(
        self, clip: CLIP, *, bottleneck: int = 128, adapter_heads: int = 8, views: int = 4, temperature: float = 0.07
    ) -> None:
        super().__init__()
        require_vit(clip)
        self.clip: Any = clip.requires_grad_(False)
        self.bottleneck, self.adapter_heads = bottleneck, adapter_heads
        for block in (*clip.visual.transformer.resblocks, *clip.transformer.resblocks):
            attach_adapter(block, bottleneck, adapter_heads)
        self.embed_dim = int(clip.visual.proj.shape[1])
        self.mpr_head = PerspectiveHeads(self.embed_dim, views)
        self.register_buffer("temperature", torch.tensor(float(temperature)))

    @property
    def logit_scale(self) -> Tensor:
        """exp of the backbone's own logit scale, which is not trained."""
        scale: Tensor = self.clip.logit_scale.exp()
        return scale

    def embed_images(self, images: Tensor) -> ImageFeatures:
        """Images ``(B, 3, H, W)`` float32, preprocessed, to their embeddings, float32."""
        found = self.clip.forward_intermediates(
            image=images, image_indices=1, normalize=False, normalize_intermediates=True, image_output_fmt="NLC"
        )
        patches = found["image_intermediates"][-1] @ self.clip.visual.proj
        return ImageFeatures(_unit(found["image_features"]), _unit(patches))

    def embed_texts(self, tokens: Tensor) -> TextFeatures:
        """Token ids ``(B, L)`` int64, padded with 0 to the context length, to their embeddings, float32."""
        found = self.clip.forward_intermediates(
            text=tokens, text_indices=1, normalize=False, normalize_intermediates=True
        )
        # The whole is not taken out of the words: another shape of product would change its last bits.
        words = found["text_intermediates"][-1] @ self.clip.text_projection
        return TextFeatures(_unit(found["text_features"]), _unit(words))

    def embed_regions(self, regions: Tensor, mask: Tensor) -> Tensor:
        """Subimages ``(B, n, 3, H, W)`` with validity ``(B, n)`` to ``(B, n, E)``; only valid ones are computed.

        Invalid ones are zero; gradients flow through the others.
        """
        valid = mask.to(regions.device, torch.bool)
        out = torch.zeros((*mask.shape, self.embed_dim), device=regions.device)
        if bool(valid.any()):
            out[valid] = _unit(self.clip.encode_image(regions[valid]))
        return out

    def views(self, region_feature: Tensor) -> Tensor:
        """Region features ``(B, E)`` to the views ``(K, B, E)`` of the MPR heads."""
        views: Tensor = self.mpr_head(region_feature)
        return views

    def adapters(self) -> list[G2Adapter]:
        """All adapters: those of the image tower, then those of the text tower."""
        blocks = (*self.clip.visual.transformer.resblocks, *self.clip.transformer.resblocks)
        return [getattr(block, ADAPTER) for block in blocks]

    def released_state_dict(self) -> StateDict:
        """Everything, under the names of released checkpoints."""
        return {_released_name(name): value for name, value in self.state_dict().items()}

    def load_released_state_dict(self, state: StateDict, path: Path) -> None:
        """Loads a released checkpoint, strictly; its tables of positional encodings are ignored.

        Args:
            state: all tensors by their released names.
            path: where they come from, for messages.

        Raises:
            ModelError: anything else is missing, unexpected or of another shape; the message names it.
        """
        self._load({name: value for name, value in state.items() if not name.endswith(_POSITIONS)}, path, whole=True)

    def adapter_state_dict(self) -> StateDict:
        """What is trained, adapters and heads, under the names of released checkpoints."""
        return {name: value for name, value in self.released_state_dict().items() if is_new_key(name)}

    def load_adapter_state_dict(self, state: StateDict, path: Path) -> None:
        """Loads what :meth:`adapter_state_dict` gave, strictly.

        Args:
            state: the tensors of adapters and heads.
            path: where they come from, for messages.

        Raises:
            ModelError: one is missing, unexpected or of another shape; the message names it.
        """
        self._load(state, path, whole=False)

    def _load(self, state: StateDict, path: Path, *, whole: bool) -> None:
        own = {name: _released_name(name) for name in self.state_dict()}
        expected = self.released_state_dict() if whole else self.adapter_state_dict()
        # Scalars are stored as numbers or as vectors of one, by version.
        fitted = {
            name: value.reshape(expected[name].shape)
            if name in expected and value.numel() == expected[name].numel() == 1
            else value
            for name, value in state.items()
        }
        require_fit(expected, fitted, path)
        self.load_state_dict({name: fitted[to] for name, to in own.items() if to in expected}, strict=whole)

    def new_parameters(self) -> list[nn.Parameter]:
        """What is trained: adapters and heads."""
        modules = (*self.adapters(), self.mpr_head)
        return [parameter for module in modules for parameter in module.parameters()]


def attach_adapter(block: nn.Module, bottleneck: int, heads: int) -> None:
    """Makes a fresh adapter part of a residual block of open_clip: it acts on what the block returns.

    Args:
        block: a residual block that has not been given one.
        bottleneck: width of the adapter.
        heads: its attention heads.
    """
    attention: Any = block.attn
    adapter = G2Adapter(attention.embed_dim, bottleneck, heads, batch_first=bool(attention.batch_first))
    weight = attention.out_proj.weight
    block.add_module(ADAPTER, adapter.to(weight.device, weight.dtype))
    # A plain function that finds the adapter in the block it is called with: copies and pickles of the block keep
    # their own adapter, where a bound method would go on serving the first one.
    block.register_forward_hook(_apply_adapter)


def _apply_adapter(block: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    adapted: Tensor = getattr(block, ADAPTER)(output)
    return adapted


def is_new_key(name: str) -> bool:
    """Whether an entry of a state dict belongs to an adapter or a head, and not to the backbone."""
    return f".{ADAPTER}." in name or name.startswith("mpr_head.")


def require_vit(clip: nn.Module, architecture: str = "This model") -> None:
    """Refuses what adapters cannot be attached to.

    Raises:
        ModelError: ``clip`` is none of CLIP's dual encoders with a ViT and class token, or has adapters already.
    """
    fits = (
        isinstance(clip, CLIP)
        and isinstance(clip.visual, VisionTransformer)
        and clip.visual.attn_pool is None
        and clip.visual.pool_type == "tok"
        and isinstance(clip.text_projection, Tensor)
        and all(isinstance(getattr(b, "attn", None), nn.MultiheadAttention) for b in clip.visual.transformer.resblocks)
        and all(isinstance(getattr(b, "attn", None), nn.MultiheadAttention) for b in clip.transformer.resblocks)
    )
    if not fits:
        raise ModelError(
            f"{architecture} is no CLIP whose image tower is a ViT with a class token, as MPS-CLIP needs.",
            "Choose a backbone such as ViT-B-32-quickgelu.",
        )
    if any(is_new_key(name) for name in clip.state_dict()):
        raise ModelError("This CLIP has adapters already.", "Give the model as open_clip builds it.")


def _released_name(name: str) -> str:
    if name == "temperature":
        return "temp"
    return f"model.{name.removeprefix('clip.')}" if name.startswith("clip.") else name


def _unit(features: Tensor) -> Tensor:
    return normalize(features.float(), dim=-1)
