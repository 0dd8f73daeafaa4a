"""Ends a training in the middle."""

from __future__ import annotations

from engine.types import Progress


class Cut(Exception):
    """Stands for whatever ends a run."""


class CutAfter:
    """A progress sink that lets ``steps`` steps of a stage pass."""

    def __init__(self, stage: str, steps: int) -> None:
        self._stage, self._left = stage, steps

    def __call__(self, progress: Progress, /) -> None:
        self._left -= progress.stage == self._stage
        if self._left < 0:
            raise Cut
