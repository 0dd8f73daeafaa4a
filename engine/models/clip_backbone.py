"""The open_clip model that trained parts stand on: where its weights come from, how it is built, and what it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import nn

from engine.errors import ModelError, UsageError
from engine.models.catalogue import CLIP_MEAN, CLIP_STD, Channels, catalogue
from engine.models.fetch import fetch_weights
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
    """The CLIP that trained parts belong to.

    Attributes:
        architecture: open_clip's name, or a description in JSON.
        sha256: of the weight file (hex); of all tensors, by name, where the weights came from no file.
        name: what people look for: an id of the catalogue, else the file's name, else ``random:SEED``.
    """

    architecture: str
    sha256: str
    name: str


@dataclass(frozen=True, slots=True)
class BackboneSource:
    """What a backbone is built from.

    Attributes:
        architecture: open_clip's name of the backbone, such as ``ViT-B-32-quickgelu``, or the JSON object with which
            open_clip's own model files describe one.
        file: its weights, safetensors or a PyTorch state dict; None: random ones, for trials.
        seed: what random weights follow from.
        name: how the file is named to people (default: its own name).
        mean: of the RGB channels, for values in [0, 1].
        std: deviation of the same.
        ignored_keys: surplus keys of the file that are no error.
    """

    architecture: str
    file: Path | None
    seed: int = 0
    name: str | None = None
    mean: Channels = CLIP_MEAN
    std: Channels = CLIP_STD
    ignored_keys: Collection[str] = ()


class BuiltClip(NamedTuple):
    """A CLIP and what belongs to it: images are squares of ``image_size`` pixels, normalised by mean and std."""

    clip: Any
    tokenizer: Any
    backbone: BackboneIdentity
    image_size: int
    mean: Channels
    std: Channels


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it the CPU's global generator starts from ``seed``; afterwards it is as it was."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        yield


def build_clip(source: BackboneSource, require: Callable[[nn.Module, str], None]) -> BuiltClip:
    """The backbone on the CPU. Call it within :func:`seeded`: random weights come from the global generator.

    Args:
        source: see there.
        require: refuses a model, given with its architecture, that the trained parts do not fit; raises ModelError.

    Raises:
        UsageError: open_clip does not know the architecture, or cannot build what the JSON says.
        ModelError: ``require`` refuses it, or the file cannot be read or does not fit.
    """
    architecture = source.architecture
    config, tokenizer = describe(architecture)
    try:
        clip = build_net(config)
    except (TypeError, KeyError, ValueError, AssertionError) as error:  # as open_clip finds what is wrong
        raise _impossible(architecture, error) from error
    require(clip, architecture)
    if source.file is not None:
        load_weights(clip, source.file, source.ignored_keys)
        identity = BackboneIdentity(architecture, file_sha256(source.file), source.name or source.file.name)
    else:
        identity = BackboneIdentity(architecture, tensors_sha256(clip), f"{RANDOM}{source.seed}")
    return BuiltClip(clip, tokenizer, identity, image_side(config, architecture), source.mean, source.std)


def catalogue_source(model_id: str, seed: int = 0, progress: ProgressSink = no_progress) -> BackboneSource:
    """An open_clip model of the catalogue, whose weights are fetched if need be.

    Args:
        model_id: id in the catalogue.
        seed: of whatever is put on it.
        progress: receives the progress of a download.

    Raises:
        UsageError: there is no such model.
        ModelError: it is no model of open_clip, or its weights are missing or damaged;
            :class:`engine.errors.DownloadError` if they cannot be fetched.
    """
    entry = catalogue().get(model_id)
    if entry.kind != "open_clip":
        usable = [other.id for other in catalogue().models if other.kind == "open_clip"]
        raise ModelError(
            f"Model {model_id} is no CLIP and cannot be a backbone.",
            f"Backbones of the catalogue: {', '.join(usable)}.",
            model=model_id,
        )
    file = fetch_weights(entry, progress).path
    return BackboneSource(entry.architecture, file, seed, entry.id, entry.mean, entry.std, entry.ignored_keys)


def chosen_source(
    architecture: str | dict[str, Any], weights: str, seed: int, progress: ProgressSink = no_progress
) -> BackboneSource:
    """What the settings of a training name.

    Args:
        architecture: a name of open_clip, or a table as in open_clip's model files.
        weights: an id of the catalogue or a file; empty: random.
        seed: see :class:`BackboneSource`.
        progress: receives the progress of a download.

    Raises:
        UsageError: the weights belong to another architecture.
        ModelError: see :func:`catalogue_source`.
    """
    name = architecture if isinstance(architecture, str) else json.dumps(architecture, sort_keys=True)
    if weights not in catalogue().ids:
        return BackboneSource(name, Path(weights).expanduser() if weights else None, seed)
    source = catalogue_source(weights, seed, progress)
    if source.architecture != name:
        raise UsageError(
            f"The weights {weights} belong to {source.architecture}, not to {name}.",
            "Set model.architecture to that name.",
            weights=weights,
        )
    return source


def describe(architecture: str) -> tuple[dict[str, Any], Any]:
    """open_clip's description of an architecture, and its tokenizer.

    Args:
        architecture: a name or a description, see :class:`BackboneSource`.

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


def tensors_sha256(net: nn.Module) -> str:
    """sha256 (hex) over the names and values of a model's state."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _impossible(architecture: str, error: Exception) -> UsageError:
    return UsageError(
        f"open_clip cannot build the architecture {architecture}: {' '.join(str(error).split())}.",
        "It takes embed_dim, vision_cfg and text_cfg, as open_clip's own model files have them.",
        architecture=architecture,
    )
