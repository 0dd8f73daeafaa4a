"""Where a run stands, and how it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import UsageError
from engine.files import replace_file
from engine.train.runs.settings import RunConfig
from engine.types import Json

FORMAT = "mpsclip-training-1"
FREE = {"data": {"workers"}, "hardware": {"accelerator", "devices", "nodes", "strategy", "checkpoint_steps"}}
"""Settings that a resumed run may change; the number of devices is compared as a whole."""


@dataclass(slots=True)
class State:
    """Where a run stands; all of it goes into a checkpoint.

    Attributes:
        step: steps done, over all epochs.
        epoch: epochs done.
        batch: batches done of the one after these.
        losses: of each step.
        rates: the learning rate ``lr`` of each step.
        history: one row an epoch.
        best: the row of ``history`` with the highest val mR.
        seconds: time spent, validation included.
        damaged: samples that could not be used, and why; the first 10,000.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    history: list[Json] = field(default_factory=list)
    best: Json | None = None
    seconds: float = 0.0
    damaged: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What must be the same for a run to go on: else its curve would not be that of an uninterrupted run.

    Attributes:
        config: all settings.
        world_size: devices.
        backbone: sha256 of what the network starts from.
        data: a hash of what is trained on.
        free: settings that may change.
    """

    config: RunConfig
    world_size: int
    backbone: str
    data: str
    free: Mapping[str, set[str]] = field(default_factory=lambda: FREE)

    def to_json(self) -> Json:
        settings = self.config.model_dump(mode="json", exclude=dict(self.free))
        return {"config": settings, "devices": self.world_size, "backbone": self.backbone, "data": self.data}


def save_checkpoint(
    file: Path, state: State, fingerprint: Fingerprint, net: nn.Module, optimizer: Any, precision: Any
) -> None:
    """Writes everything that the next step depends on: what is trained, the optimiser, and where the run stands.

    Random numbers and the order of the data follow from the place (:mod:`engine.train.seeds`), the learning
    rate from the step. What is frozen comes from the backbone's own file again.
    """
    content = {
        "format": FORMAT,
        "fingerprint": fingerprint.to_json(),
        "state": {name: getattr(state, name) for name in State.__dataclass_fields__},
        "parameters": {name: value.detach().cpu() for name, value in trained(net).items()},
        "optimizer": optimizer.state_dict(),
        "precision": precision.state_dict(),
    }
    replace_file(file, lambda temporary: torch.save(content, temporary))


def load_checkpoint(file: Path, fingerprint: Fingerprint, net: nn.Module, optimizer: Any, precision: Any) -> State:
    """Puts a run where a checkpoint left it, and returns its state.

    Raises:
        UsageError: there is no checkpoint, it cannot be read, or it is one of another run; names what differs.
    """
    if not file.is_file():
        raise UsageError(f"There is no checkpoint {file}.", "Leave --resume out, or check --out.", file=str(file))
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT:
            raise KeyError("format")
        stored, state = content["fingerprint"], State(**content["state"])
    except Exception as error:  # what a damaged file raises depends on where it is damaged
        raise UsageError(
            f"{file} is no checkpoint of this version.", "Choose another folder with --out.", file=str(file)
        ) from error
    if changed := differences(stored, fingerprint.to_json()):
        raise UsageError(
            f"{file} belongs to another run: {', '.join(changed)} differ.",
            "Resume with the same settings, data and number of devices, or start anew in another folder.",
            file=str(file),
            changed=changed,
        )
    own = trained(net)
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(content["parameters"][name])
    optimizer.load_state_dict(content["optimizer"])
    precision.load_state_dict(content["precision"])
    return state


def trained(net: nn.Module) -> dict[str, Tensor]:
    """The parameters that training changes, by name."""
    return {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}


def differences(stored: Json, current: Json, prefix: str = "") -> list[str]:
    """Dotted names of the entries in which two nested dictionaries differ."""
    found = []
    for name in sorted(stored.keys() | current.keys()):
        a, b = stored.get(name), current.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b, f"{prefix}{name}.")
        elif a != b:
            found.append(f"{prefix}{name}")
    return found
