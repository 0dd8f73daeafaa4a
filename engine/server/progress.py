"""Progress for a client: few enough messages, with a rate and the time that remains."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from engine.types import Json, Progress

INTERVAL = 0.1
"""Seconds between two messages of a stage."""

WINDOW = 10.0
"""Seconds over which the rate is taken: short enough to follow a slower part, long enough to be calm."""

_LEAST = 0.2  # seconds before a rate is told at all

Tell = Callable[[Json], None]


class ProgressMeter:
    """Passes progress on at most every :data:`INTERVAL` seconds, but always the first and the last message of a stage.

    A stage begins anew where its name, detail or total changes, or where ``done`` goes back. Its rate counts from its
    first message: what an interrupted run had done before is no speed of this one.

    Args:
        tell: receives stage, done, total, detail, rate (units/s, or None) and remaining (s, or None).
        clock: seconds, ever growing.
    """

    def __init__(self, tell: Tell, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._clock = tell, clock
        self._of: tuple[str, str, int] | None = None
        self._samples: deque[tuple[float, int]] = deque()
        self._told_at = 0.0
        self._held: Progress | None = None  # the newest message, while it is too soon to tell it
        self._told: Progress | None = None

    def __call__(self, progress: Progress, /) -> None:
        now = self._clock()
        of = (progress.stage, progress.detail, progress.total)
        if self._of != of or (self._samples and progress.done < self._samples[-1][1]):
            self.flush()
            self._of = of
            self._samples.clear()
            self._samples.append((now, progress.done))
            self._pass_on(progress, now)
            return
        if progress == self._told:
            return
        finished = 0 < progress.total <= progress.done
        if finished or now - self._told_at >= INTERVAL:
            self._sample(now, progress.done)
            self._pass_on(progress, now)
        else:
            self._held = progress

    def flush(self) -> None:
        """Tells what was held back; to be called at the end of the work."""
        if self._held is not None:
            now = self._clock()
            self._sample(now, self._held.done)
            self._pass_on(self._held, now)

    def _sample(self, now: float, done: int) -> None:
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[0][0] > WINDOW:
            self._samples.popleft()

    def _pass_on(self, progress: Progress, now: float) -> None:
        self._held, self._told, self._told_at = None, progress, now
        rate = self._rate()
        left = max(0, progress.total - progress.done)
        self._tell(
            {
                "stage": progress.stage,
                "done": progress.done,
                "total": progress.total,
                "detail": progress.detail,
                "rate": None if rate is None else round(rate, 3),
                "remaining": round(left / rate, 1) if rate and progress.total else None,
            }
        )

    def _rate(self) -> float | None:
        (first, before), (last, done) = self._samples[0], self._samples[-1]
        if last - first < _LEAST or done <= before:
            return None
        return (done - before) / (last - first)
