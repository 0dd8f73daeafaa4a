"""A session of the installation over a plugin in small, whose engine also answers requests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qgis_mpsclip.client import EngineClient, Interpreter, find_interpreter
from qgis_mpsclip.install.session import Installation
from qgis_mpsclip.settings import Settings
from tests.plugin.support.index_server import IndexServer
from tests.plugin.support.tiny_engine import ENGINE, TinyPlugin, ordinary_settings

PEER = Path(__file__).resolve().parent.parent / "client_peer" / "engine" / "__main__.py"
SERVE = 'import runpy, sys\nif sys.argv[1] == "serve":\n    runpy.run_module("engine.peer")\n'
PAGE = 'if sys.argv[2:] == ["--markdown"]:\n    print("## Check\\n- alpha: fine")\n    sys.exit()\n'


class TinySession:
    """Settings, client and session as the plugin has them.

    Attributes:
        package: what takes the place of the plugin's own folder.
    """

    def __init__(self, plugin: TinyPlugin) -> None:
        self.plugin = plugin
        self.package = plugin.engine_src.parent
        engine = plugin.engine_src / "engine"
        shutil.copy(PEER, engine / "peer.py")
        (engine / "__main__.py").write_text(SERVE + PAGE + ENGINE)
        self.settings = Settings()
        self.settings.install_folder = str(plugin.folder)
        self.settings.package_index = plugin.index.url
        self.client = EngineClient(self.settings, find=self.find)
        self.session = Installation(self.settings, self.client, package=self.package)

    def find(self, settings: Settings) -> Interpreter:
        """As the plugin does when it lies where the small one does."""
        return find_interpreter(settings, package=self.package)

    def slow(self) -> None:
        """From now on the check takes a minute, so that an installation can be seen and cancelled."""
        (self.plugin.engine_src / "slow").touch()

    def quick(self) -> None:
        (self.plugin.engine_src / "slow").unlink()

    def new_release(self, version: str = "1.1") -> None:
        """The plugin comes with another lock."""
        self.plugin.index.wheels.clear()
        self.plugin.index.add("alpha", version)
        self.plugin.write_locks()

    def end(self) -> None:
        self.session.shut_down()
        self.client.shutdown()


@contextmanager
def tiny_session(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "plugin") -> Iterator[TinySession]:
    """A session over a plugin ``folder / name`` whose one package a local index serves; ended afterwards."""
    ordinary_settings(monkeypatch, folder / "programs")
    monkeypatch.setenv("UV_CACHE_DIR", str(folder / "cache"))
    monkeypatch.delenv("MPSCLIP_PYTHON", raising=False)
    with IndexServer() as index:
        index.add("alpha", "1.0")
        plugin = TinyPlugin(folder / name, index)
        plugin.write_locks()
        made = TinySession(plugin)
        yield made
        made.end()
