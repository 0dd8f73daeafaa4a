"""Small random CLIPs of open_clip's own making, known to it under names of their own."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP

from engine.models.open_clip_backbone import architecture_config, build_net

# 3x3 and 4x4 patches, 2 and 1 + 2 blocks, heads of other widths, and both of CLIP's activations.
CONFIGS: dict[str, dict[str, Any]] = {
    "tiny-quickgelu": {
        "embed_dim": 24,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 48, "layers": 2, "width": 32, "patch_size": 16, "head_width": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
    },
    "tiny-gelu": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 48, "patch_size": 8, "head_width": 12},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 24, "heads": 3, "layers": 3},
    },
    "tiny-resnet-clip": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    },
}


@cache
def register() -> None:
    """Makes the names known to open_clip, once a process."""
    folder = Path(mkdtemp(prefix="open_clip"))
    for name, config in CONFIGS.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)


def tiny_clip(name: str = "tiny-quickgelu", seed: int = 0) -> CLIP:
    """With norms and biases that are no identities, so that a forgotten one shows."""
    register()
    torch.manual_seed(seed)
    net: Any = build_net(architecture_config(name)).eval()
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            if "ln_" in key or key.endswith("bias"):
                parameter.add_(torch.randn_like(parameter) * 0.2)
    clip: CLIP = net
    return clip


def stir(parameters: Any, seed: int = 0) -> None:
    """Moves parameters off their fresh values, as training does: an adapter that is an identity hides mistakes."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(torch.randn(parameter.shape, generator=random) * 0.1)
