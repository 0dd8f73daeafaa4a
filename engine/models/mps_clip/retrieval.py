"""MPS-CLIP as a :class:`RetrievalModel`, and the forms in which its files are given: ``mps_clip:FILE[@BACKBONE]``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

from engine.errors import ModelError, UsageError
from engine.models.catalogue import CLIP_MEAN, CLIP_STD, Channels
from engine.models.checkpoint import read_state_dict
from engine.models.clip_backbone import describe
from engine.models.contract import ModelIdentity, ScoreMode
from engine.models.mps_clip.adapter_file import PREFIX, load_adapters, read_record
from engine.models.mps_clip.build import build_from_source
from engine.models.mps_clip.network import MpsClip
from engine.models.mps_clip.released import build_released
from engine.models.open_clip_backbone import OpenClipModel, describe_preprocessing, image_side
from engine.models.trained_file import find_backbone, parse_form, read_metadata
from engine.models.weights import file_sha256
from engine.types import ProgressSink, no_progress

# Whole networks of this project's training: released names, and the architecture in the metadata.
WHOLE_FORMAT = "mpsclip-whole-1"


class MpsClipModel(OpenClipModel):
    """:class:`RetrievalModel` over an :class:`MpsClip`: open_clip's model as it is, the adapters acting in its blocks.

    Args:
        model: the network, its weights loaded.
        tokenizer: texts to token ids ``(B, L)``, padded to the context length.
        identity: goes into the index key.
        image_size: side of the square input, pixels.
        mean: of the RGB channels, for values in [0, 1].
        std: deviation of the same.
        device: where it runs; on CUDA under float16 autocast.
        default_mode: how a search scores where it is not told.
    """

    score_modes = tuple(ScoreMode)

    def __init__(
        self,
        model: MpsClip,
        tokenizer: Any,
        identity: ModelIdentity,
        *,
        image_size: int,
        mean: Channels,
        std: Channels,
        device: torch.device,
        default_mode: ScoreMode = ScoreMode.GLOBAL,
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
        self.default_mode = default_mode

    @torch.inference_mode()
    def region_views(self, region_feature: Tensor) -> Tensor:
        return self.model.views(region_feature.to(self.device))


def load_mps_clip(given: str, device: torch.device, progress: ProgressSink = no_progress) -> MpsClipModel:
    """Loads what a user names by ``mps_clip:FILE`` or ``mps_clip:FILE@BACKBONE``.

    FILE is what mpsclip's training wrote, adapters and heads; its backbone is found by what the file records of it: in
    the catalogue, or beside the file. BACKBONE, a file or an id of the catalogue, says where else it is; it must be the
    same. Or FILE is a whole checkpoint with its own backbone, as released or as training writes it where the backbone
    was trained too.

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
    record = read_record(file)
    if record is None:
        return _load_released(file, backbone, device)
    built = build_from_source(
        find_backbone(record, file, backbone, PREFIX, progress),
        bottleneck=record.bottleneck,
        adapter_heads=record.adapter_heads,
        views=record.views,
        temperature=record.temperature,
    )
    load_adapters(built, file)
    weights = hashlib.sha256(f"{record.backbone_sha256} {file_sha256(file)}".encode()).hexdigest()
    preprocessing = describe_preprocessing(built.image_size, record.mean, record.std)
    return MpsClipModel(
        built.model,
        built.tokenizer,
        ModelIdentity(f"{PREFIX}{file.name}", f"mps_clip {record.architecture}", weights, preprocessing),
        image_size=built.image_size,
        mean=record.mean,
        std=record.std,
        device=device,
        default_mode=record.default_mode,
    )


def _load_released(file: Path, backbone: str | None, device: torch.device) -> MpsClipModel:
    if backbone is not None:
        raise UsageError(
            f"{file} is a whole checkpoint, which has its own backbone.", f"Leave out @{backbone}.", path=str(file)
        )
    metadata = read_metadata(file)
    if metadata.get("format") == WHOLE_FORMAT:
        try:
            said = json.loads(metadata["architecture"])
            heads = int(metadata.get("adapter_heads", "8"))
            mode = ScoreMode(metadata.get("default_mode", "global"))
        except (KeyError, ValueError) as error:
            raise ModelError(f"The metadata of {file} are wrong: {error}.", "Train again.", path=str(file)) from error
        name = said if isinstance(said, str) else json.dumps(said, sort_keys=True)
        described, tokenizer = describe(name)
        model, config = build_released(read_state_dict(file), file, described, heads)
    else:
        model, config = build_released(read_state_dict(file), file)
        vision = config["vision_cfg"]
        name = f"ViT {vision['layers']}x{vision['width']} patch {vision['patch_size']} quickgelu"
        tokenizer = SimpleTokenizer(context_length=config["text_cfg"]["context_length"])
        mode = ScoreMode.FUSED  # as released
    size = image_side(config, name)
    preprocessing = describe_preprocessing(size, CLIP_MEAN, CLIP_STD)
    return MpsClipModel(
        model,
        tokenizer,
        ModelIdentity(f"{PREFIX}{file.name}", f"mps_clip {name}", file_sha256(file), preprocessing),
        image_size=size,
        mean=CLIP_MEAN,
        std=CLIP_STD,
        device=device,
        default_mode=mode,
    )
