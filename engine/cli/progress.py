"""Progress on standard error: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import NoReturn

from tqdm import tqdm

from engine.cli.interrupt import Interrupt
from engine.errors import Cancelled
from engine.types import Progress

_UNITS = {"index": "tile", "refine": "hit", "download": "B", "encode images": "image", "outline": "image"}
_QUIET = frozenset({"rank"})  # over in milliseconds
_LINE_SECONDS = 10.0


class ProgressBars:
    """A progress sink; raises Cancelled once the user has pressed Ctrl-C. Use it in ``with``."""

    def __init__(self, interrupt: Interrupt) -> None:
        self._interrupt = interrupt
        self._terminal = sys.stderr.isatty()
        self._bar: tqdm[NoReturn] | None = None
        self._of: tuple[str, str] | None = None
        self._last_line = 0.0

    def __enter__(self) -> ProgressBars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def __call__(self, progress: Progress, /) -> None:
        if self._interrupt.requested():
            raise Cancelled
        if progress.stage in _QUIET:
            return
        if self._terminal:
            self._draw(progress)
        else:
            self._print(progress)

    def _draw(self, progress: Progress) -> None:
        of = (progress.stage, progress.detail)
        bar = self._bar if self._of == of else None
        if bar is None:
            self._close()
            name = " ".join(part for part in of if part)
            unit = _UNITS.get(progress.stage, "step")
            scaled = unit == "B"
            bar = tqdm(
                total=progress.total or None,
                initial=progress.done,
                desc=name,
                unit=unit if scaled else f" {unit}",
                unit_scale=scaled,
                file=sys.stderr,
                leave=True,
                dynamic_ncols=True,
            )
            self._bar, self._of = bar, of
        bar.update(progress.done - bar.n)

    def _print(self, progress: Progress) -> None:
        of = (progress.stage, progress.detail)
        now = time.monotonic()
        finished = progress.total > 0 and progress.done >= progress.total
        if self._of == of and not finished and now - self._last_line < _LINE_SECONDS:
            return
        self._of, self._last_line = of, now
        share = f"{progress.done} of {progress.total}" if progress.total else str(progress.done)
        detail = f" {progress.detail}" if progress.detail else ""
        print(f"{progress.stage}{detail}: {share} {_UNITS.get(progress.stage, 'step')}s", file=sys.stderr, flush=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
