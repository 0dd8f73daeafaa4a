"""Which Python runs the engine, and from where."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qgis_mpsclip.errors import EngineMissing
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.installed import current
from qgis_mpsclip.install.places import environments_folder
from qgis_mpsclip.settings import Settings

VARIABLE = "MPSCLIP_PYTHON"
PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Interpreter:
    """How the engine is started: ``python -m engine`` in ``cwd``.

    Attributes:
        python: absolute path, links not followed: a virtual environment's Python is a link out of it.
        cwd: folder that holds the package ``engine``; None where it is installed in the interpreter's environment.
        origin: which rule found it: ``setting``, ``environment``, ``checkout`` or ``installed``.
    """

    python: Path
    cwd: Path | None
    origin: str


def find_interpreter(
    settings: Settings | None = None, environ: Mapping[str, str] = os.environ, package: Path = PACKAGE
) -> Interpreter:
    """The interpreter of the setting, else of MPSCLIP_PYTHON, else of the ``.venv`` of the checkout that holds the
    plugin, else of the environment that the plugin has installed.

    Args:
        package: the plugin's own folder, links followed.

    Raises:
        EngineMissing: there is none, or the chosen one is no interpreter.
    """
    cwd = engine_folder(package)
    settings = settings or Settings()
    chosen = settings.engine_python.strip()
    if chosen:
        return Interpreter(_executable(chosen, tr("The setting of the engine's Python")), cwd, "setting")
    chosen = environ.get(VARIABLE, "").strip()
    if chosen:
        return Interpreter(_executable(chosen, tr("The environment variable MPSCLIP_PYTHON")), cwd, "environment")
    python = _python_of(package.parent / ".venv")
    if python is not None and cwd == package.parent:
        return Interpreter(python, cwd, "checkout")
    installed = _installed(settings)
    if installed is not None:
        return Interpreter(installed, cwd, "installed")
    raise EngineMissing(
        tr("The search engine is not installed."),
        tr(
            "Click Install engine in the dock or run the algorithm mpsclip:installengine; or choose the Python in which"
            " it is installed under Settings ▸ Options ▸ MPS-CLIP."
        ),
    )


def engine_folder(package: Path = PACKAGE) -> Path | None:
    """The folder that holds the package ``engine``: ``engine_src`` of the zip, else the checkout's, else None."""
    for folder in (package / "engine_src", package.parent):
        if (folder / "engine" / "__main__.py").is_file():
            return folder
    return None


def _installed(settings: Settings) -> Path | None:
    try:
        environment = current(environments_folder(settings))
    except InstallError:  # a folder that cannot be used holds nothing; installing says why
        return None
    return environment.python if environment is not None else None


def _executable(chosen: str, origin: str) -> Path:
    path = Path(os.path.abspath(os.path.expanduser(chosen)))  # noqa: PTH100, PTH111 - resolve() would follow links
    python = _python_of(path) if path.is_dir() else path
    if python is None or not python.is_file() or not os.access(python, os.X_OK):
        raise EngineMissing(
            tr("{origin} names {path}, which is no Python.").format(origin=origin, path=path),
            tr("Name a Python executable, or the folder of a virtual environment, in which the engine is installed."),
        )
    return python


def _python_of(environment: Path) -> Path | None:
    """The Python of a virtual environment, on any system."""
    for parts in (("bin", "python"), ("bin", "python3"), ("Scripts", "python.exe"), ("python.exe",)):
        if environment.joinpath(*parts).is_file():
            return environment.joinpath(*parts)
    return None
