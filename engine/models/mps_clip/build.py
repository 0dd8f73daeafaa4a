"""From an architecture and a backbone's weights to an MPS-CLIP with fresh adapters and heads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import nn

from engine.errors import ModelError, UsageError
from engine.models.catalogue import CLIP_MEAN, CLIP_STD, Channels, catalogue
from engine.models.fetch import fetch_weights
from engine.models.mps_clip.network import MpsClip, is_new_key, require_vit
from engine.models.open_clip_backbone import (
    architecture_config,
    build_net,
    image_side,
    load_tokenizer,
    load_weights,
)
from engine.models.weights import file_sha256
from engine.types import ProgressSink, no_progress

RANDOM = "random:"  # and the seed: the name of a backbone that came from no file


@dataclass(frozen=True, slots=True)
class BackboneIdentity:
    """The frozen CLIP that adapters belong to.

    Attributes:
        architecture: open_clip's name, or a description in JSON.
        sha256: of the weight file (hex); of all tensors, by name, where the weights came from no file.
        name: what people look for: an id of the catalogue, else the file's name, else ``random:SEED``.
    """

    architecture: str
    sha256: str
    name: str


class BuiltMpsClip(NamedTuple):
    """A model and what belongs to it: images are squares of ``image_size`` pixels, normalised by mean and std."""

    model: MpsClip
    tokenizer: Any
    backbone: BackboneIdentity
    image_size: int
    mean: Channels
    std: Channels


def build_mps_clip(
    architecture: str,
    backbone_file: Path | None,
    *,
    name: str | None = None,
    bottleneck: int = 128,
    adapter_heads: int = 8,
    views: int = 4,
    temperature: float = 0.07,
    seed: int = 0,
    mean: Channels = CLIP_MEAN,
    std: Channels = CLIP_STD,
    ignored_keys: Collection[str] = (),
) -> BuiltMpsClip:
    """An MPS-CLIP on the CPU whose adapters and heads are fresh.

    Args:
        architecture: open_clip's name of the backbone, such as ``ViT-B-32-quickgelu``, or the JSON object with which
            open_clip's own model files describe one.
        backbone_file: its weights, safetensors or a PyTorch state dict; None: random ones, for trials.
        name: how the file is named to people (default: its own name).
        bottleneck: width of the adapters.
        adapter_heads: attention heads in them.
        views: K perspectives.
        temperature: τ of the contrastive objective.
        seed: of everything random here; the global generator is left as it was.
        mean: of the RGB channels, for values in [0, 1].
        std: deviation of the same.
        ignored_keys: surplus keys of the file that are no error.

    Raises:
        UsageError: open_clip does not know the architecture, or cannot build what the JSON says.
        ModelError: it is no ViT, or the file cannot be read or does not fit.
    """
    config, tokenizer = describe(architecture)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        clip = _clip(config, architecture)
        if backbone_file is not None:
            load_weights(clip, backbone_file, ignored_keys)
            identity = BackboneIdentity(architecture, file_sha256(backbone_file), name or backbone_file.name)
        else:
            identity = BackboneIdentity(architecture, tensors_sha256(clip), f"{RANDOM}{seed}")
        model = MpsClip(clip, bottleneck=bottleneck, adapter_heads=adapter_heads, views=views, temperature=temperature)
    return BuiltMpsClip(model, tokenizer, identity, image_side(config, architecture), mean, std)


def build_from_catalogue(model_id: str, progress: ProgressSink = no_progress, **options: Any) -> BuiltMpsClip:
    """:func:`build_mps_clip` on an open_clip model of the catalogue, whose weights are fetched if need be.

    Args:
        model_id: id in the catalogue.
        progress: receives the progress of a download.
        options: sizes, temperature and seed of :func:`build_mps_clip`.

    Raises:
        UsageError: there is no such model.
        ModelError: it is no open_clip ViT, or its weights are missing, damaged or do not fit;
            :class:`engine.errors.DownloadError` if they cannot be fetched.
    """
    entry = catalogue().get(model_id)
    if entry.kind != "open_clip":
        usable = [other.id for other in catalogue().models if other.kind == "open_clip"]
        raise ModelError(
            f"Model {model_id} is no CLIP and cannot carry MPS-CLIP's adapters.",
            f"Backbones of the catalogue: {', '.join(usable)}.",
            model=model_id,
        )
    return build_mps_clip(
        entry.architecture,
        fetch_weights(entry, progress).path,
        name=entry.id,
        mean=entry.mean,
        std=entry.std,
        ignored_keys=entry.ignored_keys,
        **options,
    )


def describe(architecture: str) -> tuple[dict[str, Any], Any]:
    """open_clip's description of an architecture, and its tokenizer.

    Args:
        architecture: a name or a description, see :func:`build_mps_clip`.

    Raises:
        UsageError: open_clip does not know the name, or the JSON is none of its descriptions.
        ModelError: the tokenizer is not on this machine and cannot be fetched.
    """
    if not architecture.startswith("{"):
        return architecture_config(architecture), load_tokenizer(architecture)
    try:
        config: dict[str, Any] = json.loads(architecture)
        return config, SimpleTokenizer(context_length=int(config["text_cfg"].get("context_length", 77)))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _impossible(architecture, error) from error


def _clip(config: dict[str, Any], architecture: str) -> Any:
    try:
        clip = build_net(config)
    except (TypeError, KeyError, ValueError, AssertionError) as error:  # as open_clip finds what is wrong
        raise _impossible(architecture, error) from error
    require_vit(clip, architecture)
    return clip


def _impossible(architecture: str, error: Exception) -> UsageError:
    return UsageError(
        f"open_clip cannot build the architecture {architecture}: {' '.join(str(error).split())}.",
        "It takes embed_dim, vision_cfg and text_cfg, as open_clip's own model files have them.",
        architecture=architecture,
    )


def tensors_sha256(net: nn.Module) -> str:
    """sha256 (hex) over the names and values of a model's state, adapters left out."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        if not is_new_key(name):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
