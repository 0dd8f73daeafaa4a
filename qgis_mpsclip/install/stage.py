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
        has_torch: PyTorch has a step of its own; else the time for it is that of the packages.
    """

    step: str
    text: str
    done: int = 0
    total: int = 0
    has_torch: bool = False

    @property
    def percent(self) -> float:
        """Of the whole installation, from 0 to 100."""
        shares = dict(STEPS)
        if not self.has_torch:
            shares["packages"] += shares.pop("torch")
        before = sum(list(shares.values())[: list(shares).index(self.step)])
        return before + shares[self.step] * (min(1.0, self.done / self.total) if self.total else 0.0)
