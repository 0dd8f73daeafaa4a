"""The report of a run: what was trained, with what, and how it went."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from engine.files import replace_file
from engine.resources import project_version
from engine.train.runs.checkpoint import State
from engine.train.runs.settings import RunConfig
from engine.types import Json

PACKAGES = ("torchvision", "open_clip_torch", "lightning", "numpy", "pillow")


def environment(device: torch.device, world_size: int) -> Json:
    """Versions and machine, as far as results depend on them."""
    return {
        "mpsclip": project_version(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
        "torch": torch.__version__,
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "devices": world_size,
        "threads": torch.get_num_threads(),
    }


def parameter_counts(model: nn.Module) -> Json:
    """How many parameters a network has, and how many of them are trained."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return {"all": sum(size for size, _ in sizes), "trained": sum(size for size, trained in sizes if trained)}


def write_report(file: Path, config: RunConfig, state: State, status: str, facts: Mapping[str, object]) -> None:
    """Writes a run's JSON report.

    Args:
        file: where to.
        config: all settings.
        state: history and best epoch so far.
        status: ``running``, ``finished`` or ``stopped early``.
        facts: further entries: data, backbone, environment, chance.
    """
    content = {
        "status": status,
        "seed": config.seed,
        "steps": state.step,
        "minutes": round(state.seconds / 60, 2),
        "best": state.best,
        **facts,
        "config": config.model_dump(mode="json"),
        "damaged": state.damaged,
        "history": state.history,
        "losses": [round(loss, 5) for loss in state.losses],
    }
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    replace_file(file, lambda temporary: temporary.write_text(text, encoding="utf-8"))
