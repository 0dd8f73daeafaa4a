"""Trained MPS-CLIP files: safetensors with adapters and heads alone, and the identity of the backbone in the metadata.

The tensors bear the names of released checkpoints.
"""

from __future__ import annotations

from pathlib import Path

from engine.errors import ModelError
from engine.models.checkpoint import read_state_dict
from engine.models.contract import ScoreMode
from engine.models.mps_clip.build import BuiltMpsClip
from engine.models.trained_file import (
    BackboneRecord,
    backbone_fields,
    read_trained_record,
    require_backbone,
    save_trained,
)

FORMAT = "mpsclip-adapters-1"
PREFIX = "mps_clip:"


class AdapterRecord(BackboneRecord):
    """The metadata of a file, besides those of :class:`BackboneRecord`.

    Attributes:
        bottleneck: width of the adapters.
        adapter_heads: attention heads in them.
        views: K perspectives.
        temperature: τ of the contrastive objective.
        default_mode: how a search scores where it is not told.
    """

    bottleneck: int
    adapter_heads: int
    views: int
    temperature: float
    default_mode: ScoreMode = ScoreMode.GLOBAL

    @classmethod
    def of(cls, built: BuiltMpsClip, default_mode: ScoreMode) -> AdapterRecord:
        model = built.model
        return cls(
            **backbone_fields(built.backbone, built.mean, built.std),
            bottleneck=model.bottleneck,
            adapter_heads=model.adapter_heads,
            views=len(model.mpr_head.heads),
            temperature=float(model.temperature),
            default_mode=default_mode,
        )


def save_adapters(path: Path, built: BuiltMpsClip, default_mode: ScoreMode = ScoreMode.GLOBAL) -> None:
    """Writes adapters and heads; an existing file is replaced, and never left half written.

    Args:
        path: ends in ``.safetensors``.
        built: the model, trained, and its backbone's identity.
        default_mode: how a search with it scores where it is not told.

    Raises:
        OutputError: the file cannot be written.
    """
    save_trained(path, built.model.adapter_state_dict(), FORMAT, AdapterRecord.of(built, default_mode))


def read_record(path: Path) -> AdapterRecord | None:
    """The metadata of an adapter file; None for a file of another kind.

    Raises:
        ModelError: it cannot be read, or its metadata are wrong.
    """
    return read_trained_record(path, FORMAT, AdapterRecord)


def load_adapters(built: BuiltMpsClip, path: Path) -> None:
    """Loads a file of :func:`save_adapters` into a model on the same backbone.

    Raises:
        ModelError: the file belongs to another backbone, cannot be read, or does not fit.
    """
    record = read_record(path)
    if record is None:
        raise ModelError(
            f"{path} is no file of adapters ({FORMAT}).",
            "Give a file that mpsclip's training wrote, or a released checkpoint.",
            path=str(path),
        )
    require_backbone(record, built.backbone, path, PREFIX)
    built.model.load_adapter_state_dict(read_state_dict(path), path)
