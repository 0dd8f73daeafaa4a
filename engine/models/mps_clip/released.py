"""Whole checkpoints as MPS-CLIP's authors release them: backbone, adapters and heads in one file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.models.checkpoint import StateDict
from engine.models.mps_clip.network import ADAPTER, MpsClip
from engine.models.open_clip_backbone import build_net

# No checkpoint says these: CLIP's heads are 64 wide in every ViT, the adapters' count is the paper's.
_HEAD_WIDTH = 64
_ADAPTER_HEADS = 8
_BLOCK = "transformer.resblocks"


def build_released(
    state: StateDict, path: Path, described: dict[str, Any] | None = None, adapter_heads: int = _ADAPTER_HEADS
) -> tuple[MpsClip, dict[str, Any]]:
    """The model of a whole checkpoint, weights loaded strictly.

    Args:
        state: all tensors by their released names.
        path: where they come from, for messages.
        described: open_clip's description of the backbone, where it is known; else sizes are taken from the tensors,
            heads are as wide as CLIP's, and the activation is QuickGELU, as released.
        adapter_heads: attention heads in the adapters.

    Returns:
        The model, and open_clip's description of its backbone.

    Raises:
        ModelError: a tensor is missing, unexpected or of another shape.
    """
    try:
        config = described or _backbone_config(state, path)
        bottleneck = len(state[f"model.{_BLOCK}.0.{ADAPTER}.down_proj.weight"])
    except KeyError as error:
        raise ModelError(
            f"{path} is no checkpoint of MPS-CLIP: missing {error.args[0]}.",
            "Give a file that mpsclip's training wrote, or a released checkpoint.",
            path=str(path),
        ) from error
    model = MpsClip(
        build_net(config),
        bottleneck=bottleneck,
        adapter_heads=adapter_heads,
        views=_count(state, "mpr_head.heads"),
    )
    model.load_released_state_dict(state, path)
    return model, config


def _backbone_config(state: StateDict, path: Path) -> dict[str, Any]:
    width, _, patch, _ = state["model.visual.conv1.weight"].shape
    tokens = len(state["model.visual.positional_embedding"])
    text_width, embed_dim = state["model.text_projection"].shape
    if width % _HEAD_WIDTH or text_width % _HEAD_WIDTH:
        raise ModelError(
            f"{path} has towers of the widths {width} and {text_width}; CLIP's attention heads are {_HEAD_WIDTH} wide.",
            "Only checkpoints of CLIP's own architectures can be loaded without a description.",
            path=str(path),
        )
    return {
        "embed_dim": embed_dim,
        "quick_gelu": True,
        "vision_cfg": {
            "width": width,
            "head_width": _HEAD_WIDTH,
            "layers": _count(state, f"model.visual.{_BLOCK}"),
            "patch_size": patch,
            "image_size": round((tokens - 1) ** 0.5) * patch,
        },
        "text_cfg": {
            "width": text_width,
            "heads": text_width // _HEAD_WIDTH,
            "layers": _count(state, f"model.{_BLOCK}"),
            "context_length": len(state["model.positional_embedding"]),
            "vocab_size": len(state["model.token_embedding.weight"]),
        },
    }


def _count(state: StateDict, prefix: str) -> int:
    pattern = re.compile(rf"{re.escape(prefix)}\.(\d+)\.")
    return len({found[1] for name in state if (found := pattern.match(name))})
