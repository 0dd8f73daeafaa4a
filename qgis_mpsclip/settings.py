"""The plugin's settings, kept in QGIS's own under ``mpsclip/``."""

from __future__ import annotations

from qgis.core import QgsSettings

GROUP = "mpsclip"
LOG_LEVELS = ("debug", "info", "warning", "error")
HISTORY_LENGTH = 50


class _Setting:
    """One setting as a property; what is stored and does not fit the kind of ``default`` reads as ``default``."""

    def __init__(self, default: object, doc: str) -> None:
        self.default = default
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.key = f"{GROUP}/{name}"

    def __get__(self, instance: object, owner: object = None) -> object:
        if instance is None:
            return self
        stored = QgsSettings().value(self.key, None)
        try:
            return self._read(stored)
        except (TypeError, ValueError):
            return self._copy()

    def __set__(self, instance: object, value: object) -> None:
        if value == self.default:
            QgsSettings().remove(self.key)  # a later default then holds
        else:
            QgsSettings().setValue(self.key, value)

    def _read(self, stored: object) -> object:
        if stored is None:
            return self._copy()
        if isinstance(self.default, list):
            # A list of one item comes back from an ini file as that item.
            return [str(item) for item in (stored if isinstance(stored, (list, tuple)) else [stored])]
        return type(self.default)(stored)

    def _copy(self) -> object:
        return list(self.default) if isinstance(self.default, list) else self.default


class Settings:
    """Every setting is a property that reads and writes QGIS's settings at once; usable in any thread.

    Empty text means: not set, the engine or the environment decides.
    """

    engine_python: str = _Setting("", "Interpreter that runs the engine, or the folder of its environment.")
    cache_folder: str = _Setting("", "Where indexes are kept.")
    results_folder: str = _Setting("", "Where results go; empty: beside the project.")
    default_model: str = _Setting("", "Model of new searches.")
    device: str = _Setting("", "``cpu``, ``cuda:0``, ``mps``; empty: the fastest there is.")
    idle_minutes: int = _Setting(15, "The engine ends after so many minutes without work; 0: when QGIS ends.")
    llm_url: str = _Setting("", "OpenAI-compatible service that finds keywords; empty: the engine's own rules do.")
    llm_model: str = _Setting("", "Model that this service is asked for.")
    llm_authcfg: str = _Setting("", "Id of QGIS's authentication configuration that holds the service's key.")
    log_level: str = _Setting("info", "One of LOG_LEVELS.")
    render_limit_pixels: int = _Setting(100_000_000, "Layers that are not files are rendered up to so many pixels.")
    install_folder: str = _Setting("", "Where the engine is installed; empty: the user's local data folder.")
    install_folders: list[str] = _Setting([], "Where engines have been installed, the newest last.")
    package_index: str = _Setting("", "Package index of the installation; empty: uv's or pip's own, else PyPI.")
    torch_index: str = _Setting("", "Index of other builds of PyTorch, for torch alone; empty: PyTorch's own.")
    wheels_folder: str = _Setting("", "Folder of wheels to install from without a network.")
    history: list[str] = _Setting([], "Queries, the newest first.")

    def remember(self, query: str) -> None:
        """Put a query at the beginning of the history, once."""
        others = [earlier for earlier in self.history if earlier != query]
        self.history = [query, *others][:HISTORY_LENGTH]
