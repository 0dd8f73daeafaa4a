"""Files of trained parts: safetensors whose metadata name the backbone that they belong to.

Users name such a file as ``PREFIX:FILE[@BACKBONE]``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from engine.errors import ModelError, UsageError
from engine.files import replace_file
from engine.models.catalogue import Channels, catalogue
from engine.models.checkpoint import StateDict
from engine.models.clip_backbone import RANDOM, BackboneIdentity, BackboneSource, catalogue_source
from engine.types import ProgressSink, no_progress

_REMEDY = "Give a file that mpsclip's training wrote, or a released checkpoint."


class BackboneRecord(BaseModel):
    """What the metadata of every file of trained parts say.

    Attributes:
        architecture: open_clip's name of the backbone, or its description in JSON.
        backbone_sha256: of the backbone, see :class:`engine.models.clip_backbone.BackboneIdentity`.
        backbone_name: see there.
        mean: of the RGB channels of the images it was trained on, for values in [0, 1].
        std: deviation of the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str
    backbone_sha256: str
    backbone_name: str
    mean: Channels
    std: Channels


def backbone_fields(backbone: BackboneIdentity, mean: Channels, std: Channels) -> dict[str, Any]:
    """What :class:`BackboneRecord` says of a model that was built on ``backbone``."""
    return {
        "architecture": backbone.architecture,
        "backbone_sha256": backbone.sha256,
        "backbone_name": backbone.name,
        "mean": mean,
        "std": std,
    }


Record = TypeVar("Record", bound=BackboneRecord)


def form_of(prefix: str) -> str:
    """The forms in which a user names a file, for messages."""
    return f"{prefix}FILE or {prefix}FILE@BACKBONE"


def save_trained(path: Path, tensors: StateDict, file_format: str, record: BackboneRecord) -> None:
    """Writes a file of trained parts; an existing one is replaced, and never left half written.

    Args:
        path: ends in ``.safetensors``.
        tensors: by name.
        file_format: the entry ``format`` of the metadata.
        record: the other entries.

    Raises:
        OutputError: the file cannot be written.
    """
    metadata = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in record.model_dump(mode="json").items()
    }
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata["format"] = file_format
    replace_file(path, lambda part: save_file(contiguous, part, metadata), "Choose another folder.")


def read_trained_record(path: Path, file_format: str, kind: type[Record]) -> Record | None:
    """The metadata of a file of :func:`save_trained`; None for a file of another format.

    Raises:
        ModelError: it cannot be read, or its metadata are wrong.
    """
    metadata = read_metadata(path)
    if metadata.pop("format", None) != file_format:
        return None
    texts = {name for name, field in kind.model_fields.items() if _is_text(field.annotation)}
    try:
        fields = {name: value if name in texts else json.loads(value) for name, value in metadata.items()}
        return kind.model_validate(fields)
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


def require_backbone(record: BackboneRecord, given: BackboneIdentity, path: Path, prefix: str) -> None:
    """Refuses a backbone that the file's parts were not trained on.

    Args:
        record: of the file.
        given: the backbone.
        path: of the file.
        prefix: of the form in which users name such files.

    Raises:
        ModelError: architecture or sha256 differ; the message has both.
    """
    if (record.architecture, record.backbone_sha256) != (given.architecture, given.sha256):
        raise ModelError(
            f"{path} was trained on the backbone {record.backbone_name} ({record.architecture}, sha256 "
            f"{record.backbone_sha256}), not on {given.name} ({given.architecture}, sha256 {given.sha256}).",
            f"Give that backbone's file: {prefix}{path}@BACKBONE",
            path=str(path),
            expected=record.backbone_sha256,
            sha256=given.sha256,
        )


def parse_form(given: str, prefix: str) -> tuple[Path, str | None]:
    """``PREFIX:FILE[@BACKBONE]`` to the file and the backbone.

    Raises:
        UsageError: the form is incomplete.
        ModelError: there is no such file.
    """
    rest = given.removeprefix(prefix)
    file, backbone = Path(rest).expanduser(), None
    if "@" in rest and not file.is_file():  # a file's own name may have the sign
        before, _, after = rest.rpartition("@")
        file, backbone = Path(before).expanduser(), after
        rest = before if after else ""
    if not rest:
        raise UsageError(
            f"{given!r} is not of the form {form_of(prefix)}.",
            f"For example {prefix}/data/trained.safetensors@openai-vit-b-32",
            model=given,
        )
    if not file.is_file():
        raise ModelError(f"There is no weight file {file}.", "Check the path.", path=str(file))
    return file, backbone


def find_backbone(
    record: BackboneRecord, file: Path, given: str | None, prefix: str, progress: ProgressSink = no_progress
) -> BackboneSource:
    """The backbone that is given, or found by what the record says: made anew, beside the file, in the catalogue.

    It need not be the record's: :func:`require_backbone` compares.

    Args:
        record: of the file.
        file: the file of trained parts.
        given: a file or an id of the catalogue; None: look for it.
        prefix: of the form in which users name such files.
        progress: receives the progress of a download.

    Raises:
        UsageError: ``given`` is neither a file nor an id.
        ModelError: it is not found; :class:`engine.errors.DownloadError` if it cannot be fetched.
    """
    name = given or record.backbone_name
    if given is None and name.startswith(RANDOM):
        return BackboneSource(record.architecture, None, int(name.removeprefix(RANDOM)))
    path = Path(given).expanduser() if given else file.with_name(name)
    if path.is_file():
        return BackboneSource(record.architecture, path)
    if name in catalogue().ids:
        return catalogue_source(name, progress=progress)
    if given:
        raise UsageError(
            f"The backbone {given!r} is neither a file nor a model of the catalogue.",
            f"The form is {form_of(prefix)}; the catalogue's models: mpsclip models list",
            model=given,
        )
    raise ModelError(
        f"{file} needs its backbone {name} ({record.architecture}, sha256 {record.backbone_sha256}).",
        f"Put it beside the file, or give it: {prefix}{file}@BACKBONE",
        path=str(file),
        backbone=name,
        sha256=record.backbone_sha256,
    )


def _is_text(annotation: object) -> bool:
    # In Python 3.10 tuple[float, ...] passes for a class.
    return get_origin(annotation) is None and isinstance(annotation, type) and issubclass(annotation, str)
