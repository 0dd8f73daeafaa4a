"""A very small CLIP, settings that train it in a second, and pictures to train it on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.rsicd import write_rsicd

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


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six images to train on (30 pairs), four of val."""
    return write_rsicd(tmp_path / "data", {"train": 6, "val": 4}, side=48)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of settings: the very small ones with those of some sections put over them."""

    def write(name: str = "settings.json", **sections: dict[str, Any]) -> Path:
        file = tmp_path / name
        content = {section: values | sections.get(section, {}) for section, values in SETTINGS.items()}
        file.write_text(json.dumps(content), encoding="utf-8")
        return file

    return write
