"""From an architecture and a backbone's weights to an MPS-CLIP with fresh adapters and heads."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from engine.models.catalogue import CLIP_MEAN, CLIP_STD, Channels
from engine.models.clip_backbone import BackboneIdentity, BackboneSource, build_clip, catalogue_source, seeded
from engine.models.mps_clip.network import MpsClip, require_vit
from engine.types import ProgressSink, no_progress


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
    seed: int = 0,
    mean: Channels = CLIP_MEAN,
    std: Channels = CLIP_STD,
    ignored_keys: Collection[str] = (),
    **sizes: Any,
) -> BuiltMpsClip:
    """:func:`build_from_source` on what the arguments say, see :class:`BackboneSource`.

    Raises:
        UsageError: open_clip does not know the architecture, or cannot build what the JSON says.
        ModelError: it is no ViT, or the file cannot be read or does not fit.
    """
    return build_from_source(BackboneSource(architecture, backbone_file, seed, name, mean, std, ignored_keys), **sizes)


def build_from_catalogue(
    model_id: str, progress: ProgressSink = no_progress, seed: int = 0, **sizes: Any
) -> BuiltMpsClip:
    """:func:`build_from_source` on an open_clip model of the catalogue, whose weights are fetched if need be.

    Args:
        model_id: id in the catalogue.
        progress: receives the progress of a download.
        seed: of everything random here.
        sizes: of :func:`build_from_source`.

    Raises:
        UsageError: there is no such model.
        ModelError: it is no open_clip ViT, or its weights are missing, damaged or do not fit;
            :class:`engine.errors.DownloadError` if they cannot be fetched.
    """
    return build_from_source(catalogue_source(model_id, seed, progress), **sizes)


def build_from_source(
    source: BackboneSource,
    *,
    bottleneck: int = 128,
    adapter_heads: int = 8,
    views: int = 4,
    temperature: float = 0.07,
) -> BuiltMpsClip:
    """An MPS-CLIP on the CPU whose adapters and heads are fresh; the global generator is left as it was.

    Args:
        source: of the backbone; everything random here follows from its seed.
        bottleneck: width of the adapters.
        adapter_heads: attention heads in them.
        views: K perspectives.
        temperature: τ of the contrastive objective.

    Raises:
        UsageError: open_clip does not know the architecture, or cannot build what the JSON says.
        ModelError: it is no ViT, or the file cannot be read or does not fit.
    """
    with seeded(source.seed):
        clip, *belongings = build_clip(source, require_vit)
        model = MpsClip(clip, bottleneck=bottleneck, adapter_heads=adapter_heads, views=views, temperature=temperature)
    return BuiltMpsClip(model, *belongings)
