"""The folder of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.errors import UsageError
from engine.files import make_folder
from engine.train.runs.checkpoint import State


@dataclass(frozen=True, slots=True)
class Files:
    """What a run leaves in its folder."""

    folder: Path

    @property
    def checkpoint(self) -> Path:
        return self.folder / "last.ckpt"

    @property
    def best(self) -> Path:
        return self.folder / "best.safetensors"

    @property
    def report(self) -> Path:
        return self.folder / "report.json"

    @property
    def plot(self) -> Path:
        return self.folder / "curves.png"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a run stands at its end, its files, and what a random order would reach on val (mR, percent)."""

    state: State
    files: Files
    chance: float


def prepare(files: Files, resume: bool) -> None:
    """Makes the folder.

    Raises:
        UsageError: it holds a run already, which is not to be resumed.
        OutputError: it cannot be made.
    """
    if files.checkpoint.is_file() and not resume:
        raise UsageError(
            f"{files.folder} holds a run already.", "Go on with it with --resume, or choose another folder with --out."
        )
    make_folder(files.folder)
