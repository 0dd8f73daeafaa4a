"""Weight files to state dicts: safetensors, and PyTorch files of plain tensors; nothing in them is ever executed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.errors import ModelError

StateDict = dict[str, Tensor]


def read_state_dict(path: Path) -> StateDict:
    """Tensors by name, on the CPU, as float32 where they are floating point.

    Training checkpoints are unwrapped: the entry ``state_dict``, and the prefix ``module.`` of data-parallel training.

    Raises:
        ModelError: the file cannot be read, or holds anything but tensors.
    """
    try:
        stored: Any = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # what a damaged file raises depends on where it is damaged
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"{path} cannot be read as model weights: {reason}",
            "It must be safetensors or a PyTorch state dict of tensors; TorchScript and whole modules are not read.",
            path=str(path),
        ) from error
    if isinstance(stored, Mapping) and isinstance(stored.get("state_dict"), Mapping):
        stored = stored["state_dict"]
    if not isinstance(stored, Mapping) or not stored or not all(isinstance(value, Tensor) for value in stored.values()):
        raise ModelError(
            f"{path} holds no state dict.", "Save the model's state_dict() and use that file.", path=str(path)
        )
    prefix = "module." if all(str(name).startswith("module.") for name in stored) else ""
    return {
        str(name).removeprefix(prefix): value.float() if value.is_floating_point() else value
        for name, value in stored.items()
    }


def load_strictly(net: nn.Module, state: StateDict, path: Path, ignored: Collection[str] = ()) -> None:
    """Loads ``state`` into ``net``; a key or a shape that does not fit is an error that names it.

    Args:
        net: the model.
        state: tensors by name.
        path: where they come from, for messages.
        ignored: surplus keys that are known and left out.

    Raises:
        ModelError: missing or unexpected keys that ``ignored`` does not name, or other shapes.
    """
    expected = net.state_dict()
    require_fit(expected, state, path, ignored)
    net.load_state_dict({name: state[name] for name in expected}, strict=True)


def require_fit(expected: StateDict, state: StateDict, path: Path, ignored: Collection[str] = ()) -> None:
    """Refuses a state whose names or shapes are not the expected ones.

    Args:
        expected: the model's own tensors by name.
        state: tensors by name.
        path: where they come from, for messages.
        ignored: surplus keys that are known and left out.

    Raises:
        ModelError: see :func:`load_strictly`.
    """
    missing = sorted(expected.keys() - state.keys())
    unexpected = sorted(state.keys() - expected.keys() - set(ignored))
    shapes = [
        f"{name} {tuple(state[name].shape)} for {tuple(expected[name].shape)}"
        for name in sorted(expected.keys() & state.keys())
        if state[name].shape != expected[name].shape
    ]
    if missing or unexpected or shapes:
        parts = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
        said = "; ".join(f"{what} {_some(names)}" for what, names in parts.items() if names)
        raise ModelError(
            f"{path} does not fit the architecture: {said}.",
            "Name the architecture that the weights belong to.",
            path=str(path),
            missing=missing,
            unexpected=unexpected,
            shapes=shapes,
        )


def _some(names: list[str], shown: int = 4) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
