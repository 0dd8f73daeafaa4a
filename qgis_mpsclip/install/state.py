"""Whether there is an engine to search with, and whether it is the one that this version of the plugin wants."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from qgis_mpsclip.client.interpreter import PACKAGE, VARIABLE, Interpreter, engine_folder, find_interpreter
from qgis_mpsclip.errors import EngineMissing, MpsClipError
from qgis_mpsclip.install.installed import InstalledEnvironment, current, is_outdated
from qgis_mpsclip.install.places import environments_folder
from qgis_mpsclip.settings import Settings


@dataclass(frozen=True)
class EngineState:
    """What there is, as far as files tell; no process is started for it.

    Attributes:
        interpreter: what runs the engine; None: nothing does.
        missing: why nothing does.
        is_chosen: a setting or a variable names what runs the engine, or what is to run it and cannot.
        environment: what is installed in the environments' folder, whether it is used or not.
        is_outdated: the plugin's lock is no longer the one that ``environment`` was made from.
    """

    interpreter: Interpreter | None
    missing: EngineMissing | None
    is_chosen: bool
    environment: InstalledEnvironment | None
    is_outdated: bool

    @property
    def is_used(self) -> bool:
        """Whether the installed environment is what runs the engine."""
        return self.interpreter is not None and self.interpreter.origin == "installed"

    @property
    def wants_update(self) -> bool:
        return self.is_used and self.is_outdated


def engine_state(settings: Settings, package: Path = PACKAGE) -> EngineState:
    """Look now: a few small files are read.

    Args:
        package: the plugin's own folder, links followed.
    """
    interpreter, missing = None, None
    try:
        interpreter = find_interpreter(settings, package=package)
    except EngineMissing as error:
        missing = error
    environment, outdated, folder = None, False, engine_folder(package)
    try:
        environment = current(environments_folder(settings))
        if environment is not None and folder is not None:
            outdated = is_outdated(environment, folder / "requirements")
    except (MpsClipError, OSError):
        pass  # a folder that cannot be used holds nothing; the dialog says what is wrong with it
    is_chosen = bool(settings.engine_python.strip() or os.environ.get(VARIABLE, "").strip())
    return EngineState(interpreter, missing, is_chosen, environment, outdated)
