"""What all tests of the plugin share: the real engine, a drawn scene, and no trace in the user's folders.

pytest-qgis brings QGIS itself: ``qgis_app``, ``qgis_iface``, ``qgis_canvas``, ``qgis_new_project``,
``qgis_processing``.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsRasterLayer, QgsSettings
from qgis.gui import QgsMessageBar
from qgis.PyQt.QtCore import QEventLoop, QSettings, QTimer

from qgis_mpsclip.processing.provider import MpsClipProvider

ROOT = Path(__file__).resolve().parent.parent.parent
SCENE_SIZE = 1024
DRAW_SCENE = (
    "import sys; from pathlib import Path; from engine.demo.scene import write_scene;"
    "print(write_scene(Path(sys.argv[1]), size=int(sys.argv[2])).raster)"
)
# A store of logins and authorities for this run alone: not the user's, and not that of a run beside it.
AUTHENTICATION = tempfile.mkdtemp(prefix="mpsclip-authentication-")
os.environ["QGIS_AUTH_DB_DIR_PATH"] = AUTHENTICATION
EXIT_STATUS = pytest.StashKey[int]()
# Variables of the caller that would lead the plugin or the engine somewhere else.
FOREIGN = ("MPSCLIP_LLM_URL", "MPSCLIP_LLM_MODEL", "MPSCLIP_LLM_API_KEY", "MPSCLIP_SEGMENTER_WEIGHTS")


def pytest_configure() -> None:
    """QGIS and qgis_process take the first python3 on PATH for their own: let that be the one of these tests."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.base_prefix, "bin")), os.environ.get("PATH", "")])


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leaves, when all is told, without taking down PyQGIS, which at times frees things twice and crashes."""
    status = config.stash.get(EXIT_STATUS, None)
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    shutil.rmtree(AUTHENTICATION, ignore_errors=True)
    if status is not None and reporter is not None:
        reporter.flush()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[EXIT_STATUS] = int(exitstatus)


@pytest.fixture(scope="session")
def engine_python() -> Path:
    """The interpreter of the engine's environment, ``.venv``; MPSCLIP_PYTHON names another one."""
    python = Path(os.environ.get("MPSCLIP_PYTHON") or ROOT / ".venv" / "bin" / "python")
    if not python.exists():
        pytest.fail(f"{python} is missing: the plugin's tests drive the real engine. Make it: make setup")
    return python


@pytest.fixture(scope="session")
def engine_environment() -> dict[str, str]:
    """Environment variables for an engine started by a test: none of Python's, PROJ's or GDAL's."""
    foreign = ("PYTHON", "PROJ_", "GDAL_", "QT_", "QGIS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


@pytest.fixture(scope="session")
def scene_raster(
    engine_python: Path, engine_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A drawn aerial scene, 1024 x 1024 pixels of 0.5 m, RGB, EPSG:32632. Shared: copy it before you change it."""
    command = [engine_python, "-c", DRAW_SCENE, tmp_path_factory.mktemp("scene"), str(SCENE_SIZE)]
    done = subprocess.run(command, cwd=ROOT, env=engine_environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture
def scene_layer(scene_raster: Path) -> QgsRasterLayer:
    """The drawn scene as a layer that is in no project yet."""
    layer = QgsRasterLayer(str(scene_raster), "scene")
    assert layer.isValid(), layer.error().message()
    return layer


@pytest.fixture(scope="session", autouse=True)
def private_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Index and weights go to a folder of this run's own, through the environment that child processes inherit.

    The index is kept from test to test, as it is for a user; ``fresh_cache`` gives a test an empty one.
    """
    folder = tmp_path_factory.mktemp("mpsclip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPSCLIP_CACHE", str(folder / "cache"))
        patch.setenv("MPSCLIP_DATA_DIR", str(folder / "data"))
        patch.setenv("XDG_DATA_HOME", str(folder / "local"))  # an engine that this user has installed is not tested
        for name in FOREIGN:
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty index folder for one test. An engine that runs already does not notice it."""
    monkeypatch.setenv("MPSCLIP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session", autouse=True)
def private_profile(tmp_path_factory: pytest.TempPathFactory, qgis_app: QgsApplication) -> Path:
    """Settings of QGIS are written to a folder of this run's own."""
    folder = tmp_path_factory.mktemp("profile")
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))
    return folder


@pytest.fixture(autouse=True)
def private_settings(private_profile: Path) -> Iterator[QgsSettings]:
    """QGIS's settings without any of the plugin's; what a test sets is gone after it."""
    settings = QgsSettings()
    assert Path(settings.fileName()).is_relative_to(private_profile)
    settings.remove("mpsclip")
    yield settings
    settings.remove("mpsclip")
    settings.sync()


@pytest.fixture
def proxy() -> Iterator[Callable[..., None]]:
    """``proxy(User="me")``: QGIS's options name an HTTP proxy, until the test ends."""
    settings = QgsSettings()

    def choose(**values: object) -> None:
        chosen = {"Enabled": True, "Type": "HttpProxy", "Host": "proxy.example", "Port": "3128", **values}
        for name, value in chosen.items():
            settings.setValue(f"proxy/proxy{name}" if name[0].isupper() else f"proxy/{name}", value)

    settings.remove("proxy")
    yield choose
    settings.remove("proxy")


@pytest.fixture(scope="session")
def screen() -> Iterator[str]:
    """DISPLAY of a screen in memory: QGIS itself refuses to start offscreen. Skips where there is no Xvfb."""
    if shutil.which("Xvfb") is None:
        pytest.skip("the program Xvfb is not on PATH")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        from qgis_profile import screen as made
    with made(1280, 1024) as display:
        yield display


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """``wait_until(condition, seconds=30, what="")``: runs Qt's events until the condition holds, else fails."""
    return _wait_until


def _wait_until(condition: Callable[[], bool], seconds: float = 30.0, what: str = "") -> None:
    loop, ticks, limit = QEventLoop(), QTimer(), QTimer()
    limit.setSingleShot(True)
    ticks.timeout.connect(lambda: condition() and loop.quit())
    limit.timeout.connect(loop.quit)
    if not condition():
        ticks.start(10)
        limit.start(int(seconds * 1000))
        loop.exec()
        ticks.stop()
        limit.stop()
    assert condition(), f"not within {seconds:g} s: {what or condition}"


@pytest.fixture
def bar(qgis_iface, monkeypatch: pytest.MonkeyPatch) -> QgsMessageBar:
    """A real message bar in place of pytest-qgis's stand-in."""
    bar = QgsMessageBar(qgis_iface.mainWindow())
    monkeypatch.setattr(qgis_iface, "messageBar", lambda: bar)
    return bar


@pytest.fixture(scope="module")
def provider(qgis_app: QgsApplication) -> Iterator[MpsClipProvider]:
    """The provider as QGIS has it when the plugin is loaded."""
    made = MpsClipProvider()
    assert QgsApplication.processingRegistry().addProvider(made)
    yield made
    assert QgsApplication.processingRegistry().removeProvider(made)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """What an error's traceback holds on to goes while QGIS still runs: its layers must not outlive QGIS."""
    yield
    gc.collect()
