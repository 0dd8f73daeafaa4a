"""From what a user writes after ``--model`` and ``--device`` to a loaded model."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ModelError, UsageError
from engine.models.cards import first_usable_card, require_code_for
from engine.models.catalogue import DEFAULT_MODEL, ModelEntry, catalogue
from engine.models.fetch import fetch_weights
from engine.models.weights import WeightFile, file_sha256
from engine.resources import resource_path
from engine.types import ProgressSink, no_progress

if TYPE_CHECKING:
    import torch

    from engine.models.compact.wordings import Wordings
    from engine.models.contract import RetrievalModel

DEVICES = ("auto", "cpu", "cuda", "mps")
LOCAL_PREFIX = "open_clip:"
MPS_CLIP_PREFIX = "mps_clip:"
PRIOR_CLIP_PREFIX = "prior_clip:"
_GPU = re.compile(r"cuda:[0-9]+")


def load_model(
    model: str = DEFAULT_MODEL, device: str = "auto", progress: ProgressSink = no_progress
) -> RetrievalModel:
    """Loads a model of the catalogue, fetching its weights if need be, or one from a local file.

    Args:
        model: an id of the catalogue, or for weights of one's own ``open_clip:ARCHITECTURE:FILE``,
            ``mps_clip:FILE[@BACKBONE]`` (:func:`engine.models.mps_clip.retrieval.load_mps_clip`) or
            ``prior_clip:FILE[@BACKBONE]`` (:func:`engine.models.prior_clip.instruction_retrieval.load_prior_clip`).
        device: as :func:`resolve_device` takes it.
        progress: receives the progress of a download.

    Raises:
        UsageError: no such model, architecture or device.
        ModelError: the weights are missing, damaged or do not fit; :class:`engine.errors.DownloadError` if they cannot
            be fetched.
    """
    place = resolve_device(device)
    if model.startswith(LOCAL_PREFIX):
        return _load_local(model, place)
    if model.startswith(MPS_CLIP_PREFIX):
        from engine.models.mps_clip.retrieval import load_mps_clip

        return load_mps_clip(model, place, progress)
    if model.startswith(PRIOR_CLIP_PREFIX):
        from engine.models.prior_clip.instruction_retrieval import load_prior_clip

        return load_prior_clip(model, place, progress)
    entry = catalogue().get(model)
    loaded = _load_entry(entry, fetch_weights(entry, progress), place)
    if entry.default_score is not None:
        from engine.models.contract import ScoreMode

        loaded.default_mode = ScoreMode(entry.default_score)
    return loaded


def resolve_device(device: str = "auto") -> torch.device:
    """The PyTorch device for one of :data:`DEVICES`, or one of several GPUs as ``"cuda:1"``; ``auto`` takes the first
    NVIDIA card that this PyTorch has code for, then Apple's GPU, then the CPU.

    Raises:
        UsageError: an unknown name, a device that this machine or this build of PyTorch lacks, or a card that this
            PyTorch has no code for.
    """
    import torch

    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    available = {"cuda": bool(gpus), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        card = first_usable_card()
        if card is not None:
            return torch.device(f"cuda:{card}" if card else "cuda")
        return torch.device("mps" if available["mps"] else "cpu")
    if gpus and (device == "cuda" or device in gpus):
        require_code_for(torch.device(device))
        return torch.device(device)
    if device not in available and not _GPU.fullmatch(device):
        raise UsageError(f"There is no device {device!r}.", f"Choose one of: {', '.join(DEVICES)}.", device=device)
    if not available.get(device):
        usable = [*gpus, *(name for name, is_usable in available.items() if is_usable)]
        raise UsageError(
            f"Device {device} is not available (PyTorch {torch.__version__}).",
            f"Available here: {', '.join(usable)}; or leave the choice to auto.",
            device=device,
            available=usable,
        )
    return torch.device(device)


def _load_entry(entry: ModelEntry, weights: WeightFile, device: torch.device) -> RetrievalModel:
    if entry.kind == "packaged":
        from engine.models.contract import ModelIdentity
        from engine.models.packaged import load_packaged

        preprocessing = f"bilinear {entry.image_size}px mean {entry.mean} std {entry.std}"
        identity = ModelIdentity(entry.id, entry.architecture, weights.sha256, preprocessing)
        return load_packaged(weights.path, identity, entry.image_size, device, _wordings(entry))
    if entry.kind == "compact_parts":
        return _load_parts(entry, weights, device)
    from engine.models.open_clip_backbone import load_open_clip

    return load_open_clip(
        entry.architecture,
        weights.path,
        model_id=entry.id,
        weights=weights.sha256,
        device=device,
        mean=entry.mean,
        std=entry.std,
        ignored_keys=entry.ignored_keys,
    )


def _load_parts(entry: ModelEntry, parts: WeightFile, device: torch.device) -> RetrievalModel:
    """Parts on the packaged model; the identity covers both files."""
    from engine.models.contract import ModelIdentity
    from engine.models.packaged_system import PackagedSystem

    base = catalogue().get(DEFAULT_MODEL)
    weights = fetch_weights(base)
    both = hashlib.sha256(f"{weights.sha256} {parts.sha256}".encode()).hexdigest()
    preprocessing = f"bilinear {base.image_size}px mean {base.mean} std {base.std}"
    identity = ModelIdentity(entry.id, entry.architecture, both, preprocessing)
    return PackagedSystem(weights.path, parts.path, weights.sha256, identity, base.image_size, device, _wordings(base))


def _wordings(entry: ModelEntry) -> Wordings:
    from engine.models.compact.wordings import NO_WORDINGS, read_wordings

    return NO_WORDINGS if entry.wordings is None else read_wordings(resource_path("models", entry.wordings))


def _load_local(model: str, device: torch.device) -> RetrievalModel:
    architecture, separator, name = model.removeprefix(LOCAL_PREFIX).partition(":")
    if not architecture or not separator or not name:
        raise UsageError(
            f"{model!r} is not of the form open_clip:ARCHITECTURE:FILE.",
            "For example open_clip:ViT-B-32:/data/weights.pt",
            model=model,
        )
    file = Path(name).expanduser()
    if not file.is_file():
        raise ModelError(f"There is no weight file {file}.", "Check the path.", path=str(file))
    from engine.models.open_clip_backbone import load_open_clip

    return load_open_clip(
        architecture,
        file,
        model_id=f"{LOCAL_PREFIX}{architecture}:{file.name}",
        weights=file_sha256(file),
        device=device,
    )
