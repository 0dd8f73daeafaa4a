"""Random numbers that depend on where a run is, and not on how it came there.

Every use has a seed of its own, made from the run's seed, a purpose and the place (epoch, step, rank, picture). So a
resumed run needs no stored generator states, and neither the number of loader processes nor an interruption changes
what is drawn.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """What a seed is for."""

    WEIGHTS = 0
    ORDER = 1
    AUGMENTATION = 2
    STEP = 3


def derived_seed(seed: int, purpose: Purpose, *place: int) -> int:
    """A seed in [0, 2**63), independent for each purpose and place."""
    (value,) = np.random.SeedSequence([seed, int(purpose), *place]).generate_state(1, np.uint64)
    return int(value >> np.uint64(1))


def seed_generators(seed: int, device: torch.device) -> None:
    """Seeds the global generator of the CPU and, where it is another one, of the device.

    Not ``torch.manual_seed``: as long as a build with CUDA has not used it, that keeps a stack trace of every call,
    which takes milliseconds.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
