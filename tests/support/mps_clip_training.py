"""A very small CLIP and the settings that train it in a second, on few small pictures."""

from __future__ import annotations

from typing import Any

ARCHITECTURE = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 16, "head_width": 8, "layers": 1},
    "text_cfg": {"context_length": 10, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "model": {
        "architecture": ARCHITECTURE,
        "weights": "",
        "train_backbone": True,
        "bottleneck": 8,
        "adapter_heads": 2,
        "views": 2,
    },
    "data": {"regions": 0, "workers": 0, "kept_side": 20},
    "optimiser": {"epochs": 2, "batch_pairs": 8, "lr": 1e-3},
    "hardware": {"accelerator": "cpu", "precision": "32-true"},
}
IMAGES = {"train": 6, "val": 4}  # 30 pairs: three batches an epoch
SIDE = 48
