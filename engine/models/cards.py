"""Which NVIDIA card this build of PyTorch has code for; that there is a card and a driver does not say so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.errors import UsageError

if TYPE_CHECKING:
    import torch

# Code of a GPU (sm) or for its driver to translate (compute); some of it holds for one GPU only (a).
_ARCHITECTURE = re.compile(r"(sm|compute)_([0-9]+)([0-9])([af]?)")


def first_usable_card() -> int | None:
    """The number of the first card that this PyTorch can compute on; None: there is none."""
    import torch

    if not torch.cuda.is_available():
        return None
    built_for = torch.cuda.get_arch_list()
    cards = range(torch.cuda.device_count())
    return next((card for card in cards if is_covered(torch.cuda.get_device_capability(card), built_for)), None)


def require_code_for(device: torch.device) -> None:
    """Refuses a card that PyTorch would fail on at its first operation, with words that name neither card nor remedy.

    Args:
        device: of an NVIDIA card that is there; without a number the first.

    Raises:
        UsageError: this PyTorch has no code for it.
    """
    import torch

    card, built_for = device.index or 0, torch.cuda.get_arch_list()
    major, minor = torch.cuda.get_device_capability(card)
    if is_covered((major, minor), built_for):
        return
    usable = first_usable_card()
    other = "cpu" if usable is None else f"cuda:{usable}"
    raise UsageError(
        f"Device {device}, {torch.cuda.get_device_name(card)}, has compute capability {major}.{minor}: PyTorch"
        f" {torch.__version__} has no code for it (only {' '.join(built_for)}).",
        f"Choose {other}, or leave the choice to auto.",
        device=str(device),
        available=[other],
    )


def is_covered(capability: tuple[int, int], built_for: Sequence[str]) -> bool:
    """Whether a card runs code that PyTorch was built with.

    Args:
        capability: the card's compute capability, such as (8, 6).
        built_for: as :func:`torch.cuda.get_arch_list` names them: ``sm_80``, ``compute_120`` …; where no name is
            NVIDIA's, as in a build for ROCm, every card counts as covered.
    """
    known = [found.groups() for found in map(_ARCHITECTURE.fullmatch, built_for) if found]
    return not known or any(
        _runs(capability, kind, (int(major), int(minor)), only) for kind, major, minor, only in known
    )


def _runs(capability: tuple[int, int], kind: str, built_for: tuple[int, int], only: str) -> bool:
    if only == "a":
        return capability == built_for
    if kind == "compute" and not only:
        return built_for <= capability
    return built_for[0] == capability[0] and built_for[1] <= capability[1]
