"""How far an installation is: which steps are done, which one is being worked on, and how long each took."""

from __future__ import annotations

import time

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.stage import STEPS, InstallProgress

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"


def step_title(step: str) -> str:
    """What is done in a step, for people."""
    return {
        "check": tr("Checking disk and folder"),
        "uv": tr("Getting the installer (uv)"),
        "python": tr("Getting Python"),
        "environment": tr("Making the environment"),
        "torch": tr("Installing PyTorch"),
        "packages": tr("Installing packages"),
        "doctor": tr("Checking the engine"),
        "switch": tr("Putting it to use"),
    }.get(step, step)


class Course:
    """The steps of one installation, as the notifications of its job tell them.

    Args:
        separate_torch: PyTorch has a step of its own, since it comes from a lock and an index of its own.

    Attributes:
        steps: those that this installation has, in order.
        latest: the newest notification; None before the first.
    """

    def __init__(self, separate_torch: bool) -> None:
        self.steps = [step for step in STEPS if step != "torch" or separate_torch]
        self.latest: InstallProgress | None = None
        self._begun: dict[str, float] = {}
        self._started = time.monotonic()
        self._ended: float | None = None
        self._succeeded = False
        self._percent = 0.0

    def update(self, progress: InstallProgress) -> None:
        """Take a notification."""
        if progress.step in self.steps:
            self._begun.setdefault(progress.step, time.monotonic())
            self.latest = progress
            self._percent = max(self._percent, progress.percent)

    def end(self, succeeded: bool) -> None:
        """The installation is over; the step it was in is done, or is where it failed."""
        self._ended = time.monotonic()
        self._succeeded = succeeded

    def state(self, step: str) -> str:
        """WAITING, RUNNING, DONE or FAILED."""
        if self._succeeded:
            return DONE
        if self.latest is None or self.steps.index(step) > self.steps.index(self.latest.step):
            return WAITING
        if step != self.latest.step:
            return DONE  # also one that was left out, since an earlier installation had done it
        return RUNNING if self._ended is None else FAILED

    def seconds(self, step: str | None = None) -> float:
        """How long it has taken so far: a step, 0.0 where it has not begun, or all of it."""
        now = self._ended or time.monotonic()
        if step is None:
            return now - self._started
        if step not in self._begun:
            return 0.0
        later = [begun for begun in self._begun.values() if begun > self._begun[step]]
        return min(later, default=now) - self._begun[step]

    def percent(self) -> float:
        """How much of all is done, 0 to 100; it never goes back."""
        return 100.0 if self._succeeded else self._percent
