"""A run to its end."""

from __future__ import annotations

import logging

from engine.errors import Cancelled
from engine.train.runs.files import Outcome
from engine.train.runs.loop import Trainer

log = logging.getLogger(__name__)


def complete(trainer: Trainer, chance: float) -> Outcome | None:
    """Runs what is left; a run that is cancelled says where it can be taken up again.

    Args:
        trainer: new, or resumed.
        chance: mR of a random order on val, percent.

    Returns:
        The outcome; None in all but the first of several processes.
    """
    is_first = trainer.fabric.is_global_zero
    try:
        state = trainer.run()
    except Cancelled:
        if trainer.files.checkpoint.is_file() and is_first:
            log.warning("the last checkpoint is %s; go on from there with --resume", trainer.files.checkpoint)
        raise
    return Outcome(state, trainer.files, chance) if is_first else None
