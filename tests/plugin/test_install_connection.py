"""QGIS's proxy and its locked store of logins, on the way from the options to uv."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qgis.core import (
    QgsApplication,
    QgsAuthMethodConfig,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
)

from qgis_mpsclip.client.proxy import proxy_variables
from qgis_mpsclip.install import plan
from qgis_mpsclip.install.connection import Connection, connect, connection_note
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.job import InstallJob
from qgis_mpsclip.processing.provider import MpsClipProvider
from tests.plugin.support.index_server import IndexServer
from tests.plugin.support.socks_server import socks_server
from tests.plugin.support.tiny_engine import TinyPlugin, ordinary_settings
from tests.plugin.support.tiny_session import tiny_session

Choose = Callable[..., None]


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyPlugin]:
    ordinary_settings(monkeypatch, tmp_path / "programs")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with IndexServer() as index:
        index.add("alpha", "1.0")
        made = TinyPlugin(tmp_path, index)
        made.write_locks()
        yield made


@pytest.fixture
def locked_login(proxy: Choose) -> Iterator[None]:
    """The proxy's login is in QGIS's store, whose password nobody enters."""
    manager = QgsApplication.authManager()
    assert manager.setMasterPassword("a test", True)  # that of the other tests of this run
    config = QgsAuthMethodConfig("Basic")
    config.setName("proxy")
    config.setConfigMap({"username": "me", "password": "top-key"})  # pragma: allowlist secret
    stored, config = manager.storeAuthenticationConfig(config)
    assert stored
    proxy(authcfg=config.id())
    manager.clearMasterPassword()
    yield
    assert manager.setMasterPassword("a test", True)
    manager.removeAuthenticationConfig(config.id())


def test_packages_come_through_a_socks_proxy_with_its_login(plugin: TinyPlugin, proxy: Choose, tmp_path: Path) -> None:
    with socks_server() as server:
        login = {"User": "me", "Password": "p@ss/word"}  # pragma: allowlist secret
        proxy(Type="Socks5Proxy", Host="127.0.0.1", Port=str(server.port), **login)
        url = plugin.index.url.replace("localhost", "packages.example")
        environment = InstallJob(plugin.options(index_url=url), tmp_path / "log.txt").run()
        assert environment.python.exists()
        assert {host for host, _ in server.asked} == {"packages.example"}
        assert set(server.logins) == {("me", "p@ss/word")}  # pragma: allowlist secret
        assert "p@ss" not in (tmp_path / "log.txt").read_text()
        assert "cannot use it to download models" in connection_note()


def test_login_that_stays_locked_stops_the_installation_before_it_begins(
    plugin: TinyPlugin, locked_login: None, proxy: Choose
) -> None:
    errors: list[InstallError] = []

    def install() -> None:
        with pytest.raises(InstallError, match="locked") as caught:
            InstallJob(plugin.options())
        errors.append(caught.value)

    thread = threading.Thread(target=install)
    thread.start()
    thread.join()
    install()  # nobody answers QGIS's question here
    assert [error.kind for error in errors] == ["proxy-auth", "proxy-auth"]
    assert "master password" in errors[0].remedy
    assert not plugin.folder.exists()
    assert connect(plugin.options(wheels=plugin.folder)) == Connection(), "without a network no login is needed"
    said: list[str] = []
    note = QgsApplication.messageLog().messageReceived.connect(lambda text, tag, level: said.append(text))
    assert "@" not in proxy_variables({})["HTTPS_PROXY"], "an engine that only searches starts all the same"
    QgsApplication.messageLog().messageReceived.disconnect(note)
    assert any("login of the proxy cannot be read" in text for text in said)
    proxy(Enabled=False)
    assert connect(plugin.options()).index == {}


def test_task_has_the_login_that_the_main_thread_has_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked_login: None
) -> None:
    with tiny_session(tmp_path, monkeypatch) as tiny:
        assert not tiny.session.start(tiny.plugin.options())
        assert tiny.session.error.kind == "proxy-auth"
        manager = QgsApplication.authManager()
        assert manager.setMasterPassword("a test", True)
        connection = connect(tiny.plugin.options())
        manager.clearMasterPassword()
        job = InstallJob(tiny.plugin.options(), connection=connection)
        assert "me:top-key@" in connection.index["HTTPS_PROXY"]
        assert "top-key" not in repr(connection)
        assert job.run().python.exists()


def test_algorithm_asks_for_the_login_before_its_work_and_has_it_in_any_thread(
    plugin: TinyPlugin,
    locked_login: None,
    proxy: Choose,
    provider: MpsClipProvider,
    qgis_processing: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from qgis import processing

    monkeypatch.setattr(plan, "engine_folder", lambda: plugin.engine_src)  # the small plugin's locks
    report = plugin.folder.parent / "report.md"
    values = {
        "INSTALL_FOLDER": str(plugin.folder),
        "PACKAGE_INDEX": plugin.index.url.replace("localhost", "packages.example"),
        "BASE_PYTHON": str(plugin.options().base_python),
        "OUTPUT_REPORT": str(report),
    }
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
    with socks_server() as server:
        proxy(Type="Socks5Proxy", Host="127.0.0.1", Port=str(server.port))
        with pytest.raises(QgsProcessingException, match="master password"):
            processing.run("mpsclip:installengine", values)
        assert "master password" in report.read_text(encoding="utf-8")
        assert (server.asked, plugin.folder.exists()) == ([], False)

        manager = QgsApplication.authManager()
        assert manager.setMasterPassword("a test", True)
        algorithm = provider.algorithm("installengine").create()
        assert algorithm.prepare(values, context, feedback), feedback.textLog()
        manager.clearMasterPassword()
        del values["OUTPUT_REPORT"]
        done: list[dict[str, object]] = []
        thread = threading.Thread(target=lambda: done.append(algorithm.runPrepared(values, context, feedback)))
        thread.start()
        thread.join()
        assert done and done[0]["READY"] is True, feedback.textLog()
        assert set(server.logins) == {("me", "top-key")}
    assert "cannot use it to download models" in feedback.textLog()
    assert "top-key" not in feedback.textLog()
