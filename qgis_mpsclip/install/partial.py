"""The beginning of an environment: what it is to be, and which steps were done.

A step that began and did not end leaves packages half in place, which uv would take for whole. Such an environment is
given up for a new one, which takes a minute: what was downloaded is in uv's cache.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from qgis_mpsclip.install.installed import PREFIX, RECORD, old_environments, write_json
from qgis_mpsclip.install.plan import InstallOptions

_DIGITS = 8


@dataclass
class Partial:
    """An environment that is being made.

    Attributes:
        folder: of the environment.
        lock_digest: of the locks that it is made from.
        base: the base Python that was asked for, empty where any will do.
        begun: step that was begun last; empty: none.
        done: steps that ended well.
    """

    folder: Path
    lock_digest: str
    base: str
    begun: str = ""
    done: list[str] = field(default_factory=list)

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        windows, posix = self.folder / "Scripts" / "python.exe", self.folder / "bin" / "python"
        return windows if windows.is_file() else posix

    @property
    def is_sound(self) -> bool:
        """Whether no step was cut short."""
        return self.begun in self.done and self.python.is_file()

    def begin(self, step: str) -> None:
        """Notes that a step begins; until :meth:`end` the environment is not sound."""
        self.begun = step
        self._write()

    def end(self, step: str) -> None:
        """Notes that a step ended well."""
        self.done.append(step)
        self._write()

    def _write(self) -> None:
        if self.folder.is_dir():
            state = asdict(self)
            del state["folder"]
            write_json(self.folder / RECORD, state)


def resumed_or_new(options: InstallOptions) -> Partial:
    """The beginning of an environment that fits the options and was not cut short within a step, else a new one."""
    digest, base = options.choice.lock_digest, str(options.base_python or "")
    for partial in map(_read, old_environments(options.folder)):
        if partial is not None and partial.is_sound and (partial.lock_digest, partial.base) == (digest, base):
            return partial
    names = (f"{PREFIX}{digest[:_DIGITS]}" + (f"-{number}" if number > 1 else "") for number in itertools.count(1))
    folder = next(path for path in map(options.folder.joinpath, names) if not path.exists())
    return Partial(folder, digest, base)


def _read(folder: Path) -> Partial | None:
    try:
        stored = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return Partial(folder, **stored)
    except (OSError, ValueError, KeyError, TypeError):
        return None
