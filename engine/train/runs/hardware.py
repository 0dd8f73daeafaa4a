"""The machine of a run: Lightning Fabric as the settings ask for it."""

from __future__ import annotations

import logging
import os

import torch
from lightning.fabric import Fabric

from engine.errors import UsageError
from engine.train.runs.settings import HardwareSettings

log = logging.getLogger(__name__)


def make_fabric(settings: HardwareSettings) -> Fabric:
    """Fabric as the settings say; half precision, which CPUs lack, becomes full precision there.

    Raises:
        UsageError: this machine does not have what they ask for.
    """
    precision = settings.precision
    has_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    if precision == "16-mixed" and (settings.accelerator == "cpu" or (settings.accelerator == "auto" and not has_gpu)):
        log.warning("on the CPU training runs in full precision")
        precision = "32-true"
    try:
        return Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.nodes,
            strategy=settings.strategy,
            precision=precision,
        )
    except (ValueError, RuntimeError) as error:  # Fabric's own errors are among these
        raise UsageError(
            f"The hardware settings do not fit this machine: {' '.join(str(error).split())}",
            "Mend the section hardware of the settings.",
        ) from error


def is_first_process() -> bool:
    """Whether this is the first of the processes of a run, known before they have met."""
    ranks = (os.environ.get(name) for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"))
    return int(next((rank for rank in ranks if rank), "0")) == 0
