"""Trained MPS-CLIP files: safetensors with adapters and heads alone, and the identity of the backbone in the metadata.

The tensors bear the names of released checkpoints.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from engine.errors import ModelError, OutputError
from engine.models.catalogue import Channels
from engine.models.checkpoint import read_state_dict
from engine.models.contract import ScoreMode
from engine.models.mps_clip.build import BackboneIdentity, BuiltMpsClip

FORMAT = "mpsclip-adapters-1"


class AdapterRecord(BaseModel):
    """The metadata of a file.

    Attributes:
        architecture: open_clip's name of the backbone.
        backbone_sha256: of the backbone, see :class:`BackboneIdentity`.
        backbone_name: see there.
        bottleneck: width of the adapters.
        adapter_heads: attention heads in them.
        views: K perspectives.
        temperature: τ of the contrastive objective.
        mean: of the RGB channels of the images it was trained on, for values in [0, 1].
        std: deviation of the same.
        default_mode: how a search scores where it is not told.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str
    backbone_sha256: str
    backbone_name: str
    bottleneck: int
    adapter_heads: int
    views: int
    temperature: float
    mean: Channels
    std: Channels
    default_mode: ScoreMode = ScoreMode.GLOBAL

    @classmethod
    def of(cls, built: BuiltMpsClip, default_mode: ScoreMode) -> AdapterRecord:
        model, backbone = built.model, built.backbone
        return cls(
            architecture=backbone.architecture,
            backbone_sha256=backbone.sha256,
            backbone_name=backbone.name,
            bottleneck=model.bottleneck,
            adapter_heads=model.adapter_heads,
            views=len(model.mpr_head.heads),
            temperature=float(model.temperature),
            mean=built.mean,
            std=built.std,
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
    tensors = {name: value.detach().cpu().contiguous() for name, value in built.model.adapter_state_dict().items()}
    metadata = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in AdapterRecord.of(built, default_mode).model_dump(mode="json").items()
    }
    part = path.with_name(f"{path.name}.part")
    try:
        save_file(tensors, part, {"format": FORMAT, **metadata})
        part.replace(path)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path} cannot be written: {error}.", "Choose another folder.", path=str(path)) from error


def read_record(path: Path) -> AdapterRecord | None:
    """The metadata of an adapter file; None for a file of another kind.

    Raises:
        ModelError: it cannot be read, or its metadata are wrong.
    """
    metadata = read_metadata(path)
    if metadata.pop("format", None) != FORMAT:
        return None
    texts = {name for name, field in AdapterRecord.model_fields.items() if field.annotation in (str, ScoreMode)}
    try:
        fields = {name: value if name in texts else json.loads(value) for name, value in metadata.items()}
        return AdapterRecord.model_validate(fields)
    except ValueError as error:  # pydantic's and json's errors are of this kind
        said = " ".join(str(error).split())
        raise ModelError(f"The metadata of {path} are wrong: {said}", _REMEDY, path=str(path)) from error


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file; none for a file of another format.

    Raises:
        ModelError: it cannot be read.
    """
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, "pt") as stored:
            return dict(stored.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read as model weights: {error}.", _REMEDY, path=str(path)) from error


def load_adapters(built: BuiltMpsClip, path: Path) -> None:
    """Loads a file of :func:`save_adapters` into a model on the same backbone.

    Raises:
        ModelError: the file belongs to another backbone, cannot be read, or does not fit.
    """
    record = read_record(path)
    if record is None:
        raise ModelError(f"{path} is no file of adapters ({FORMAT}).", _REMEDY, path=str(path))
    require_backbone(record, built.backbone, path)
    built.model.load_adapter_state_dict(read_state_dict(path), path)


def require_backbone(record: AdapterRecord, given: BackboneIdentity, path: Path) -> None:
    """Refuses a backbone that the adapters were not trained on.

    Raises:
        ModelError: architecture or sha256 differ; the message has both.
    """
    if (record.architecture, record.backbone_sha256) != (given.architecture, given.sha256):
        raise ModelError(
            f"{path} was trained on the backbone {record.backbone_name} ({record.architecture}, sha256 "
            f"{record.backbone_sha256}), not on {given.name} ({given.architecture}, sha256 {given.sha256}).",
            f"Give that backbone's file: mps_clip:{path}@BACKBONE",
            path=str(path),
            expected=record.backbone_sha256,
            sha256=given.sha256,
        )


_REMEDY = "Give a file that mpsclip's training wrote, or a released checkpoint."
