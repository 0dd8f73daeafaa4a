"""How far an installation is."""

from __future__ import annotations

from dataclasses import dataclass

# Each step with the part of the time that it takes, in percent, where everything has to be downloaded.
STEPS = {"check": 1, "uv": 2, "python": 4, "environment": 1, "torch": 30, "packages": 50, "doctor": 11, "switch": 1}


@dataclass(frozen=True)
class InstallProgress:
    """What an installation does now.

    Attributes:
        step: one of :data:`STEPS`, which come in this order; ``torch`` is left out where the main lock has it.
        text: what goes on, translated.
        done, total: bytes of this step; ``total`` 0 where not known.
    """

    step: str
    text: str
    done: int = 0
    total: int = 0

    @property
    def percent(self) -> float:
        """Of the whole installation, from 0 to 100."""
        before = sum(share for name, share in list(STEPS.items())[: list(STEPS).index(self.step)])
        return before + STEPS[self.step] * (min(1.0, self.done / self.total) if self.total else 0.0)
