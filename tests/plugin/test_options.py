"""The options page shows the settings, keeps them when applied, and offers what the real engine has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsAuthMethodConfig
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QApplication, QFileDialog, QToolButton

from qgis_mpsclip.client import EngineClient
from qgis_mpsclip.options_page import PAGE, OptionsFactory, OptionsPage
from qgis_mpsclip.settings import Settings

Wait = Callable[..., None]
SECONDS = 300.0  # a start with cold caches, on a busy machine


@pytest.fixture
def client(engine_python: Path) -> Iterator[EngineClient]:
    client = EngineClient(Settings())
    yield client
    client.shutdown()


@pytest.fixture
def open_page(client: EngineClient) -> Iterator[Callable[[], OptionsPage]]:
    pages = []
    calls: list[str] = []
    factory = OptionsFactory(Settings(), client, lambda: calls.append("indexes"))

    def make() -> OptionsPage:
        page = factory.createWidget()
        page.calls = calls
        pages.append(page)
        return page

    yield make
    for page in pages:
        page.close()
        page.deleteLater()


@pytest.fixture
def secret() -> Iterator[str]:
    """The id of an authentication configuration."""
    manager = QgsApplication.authManager()
    assert manager.setMasterPassword("a test", True)
    config = QgsAuthMethodConfig("Basic")
    config.setName("language model")
    config.setConfig("username", "")
    config.setConfig("password", "sk-1")
    assert manager.storeAuthenticationConfig(config)
    yield config.id()
    manager.removeAuthenticationConfig(config.id())


def test_page_is_found_by_the_name_under_which_it_is_opened(open_page: Callable[[], OptionsPage]) -> None:
    assert open_page().objectName() == PAGE


def test_what_is_applied_is_there_the_next_time(
    open_page: Callable[[], OptionsPage], tmp_path: Path, secret: str, engine_python: Path
) -> None:
    page = open_page()
    page.engine_python.setFilePath(str(engine_python))
    page.cache_folder.setFilePath(str(tmp_path / "cache"))
    page.results_folder.setFilePath(str(tmp_path / "results"))
    page.idle_minutes.setValue(0)
    page.log_level.setCurrentText("debug")
    page.render_limit.setValue(7)
    page.llm_url.setText(" http://localhost:1/v1 ")
    page.llm_model.setText("qwen")
    page.llm_authcfg.setConfigId(secret)
    page.apply()

    settings = Settings()
    assert settings.engine_python == str(engine_python)
    assert settings.cache_folder == str(tmp_path / "cache")
    assert settings.results_folder == str(tmp_path / "results")
    assert (settings.idle_minutes, settings.log_level) == (0, "debug")
    assert settings.render_limit_pixels == 7_000_000
    assert (settings.llm_url, settings.llm_model) == ("http://localhost:1/v1", "qwen")
    assert settings.llm_authcfg == secret
    again = open_page()
    assert again._values() == page._values()


def test_page_that_is_only_looked_at_changes_nothing(open_page: Callable[[], OptionsPage]) -> None:
    Settings().default_model = "a-model-of-yesterday"
    Settings().device = "cuda:7"
    page = open_page()
    before = page._values()
    page.apply()
    assert open_page()._values() == before
    assert (Settings().default_model, Settings().device) == ("a-model-of-yesterday", "cuda:7")


def test_engine_is_asked_only_when_the_page_is_seen(
    open_page: Callable[[], OptionsPage], client: EngineClient, wait_until: Wait
) -> None:
    page = open_page()
    assert not client.is_running()
    page.show()
    wait_until(lambda: "works" in page.engine_state.text(), SECONDS, page.engine_state.text())
    models = [page.default_model.itemData(i) for i in range(page.default_model.count())]
    devices = [page.device.itemData(i) for i in range(page.device.count())]
    assert models[:2] == ["", "rsicd-mini"]
    assert len(models) > 2
    assert devices[:2] == ["", "cpu"]
    assert page.default_model.currentData() == ""


def test_interpreter_in_the_field_is_judged_at_once(
    open_page: Callable[[], OptionsPage], engine_python: Path, tmp_path: Path
) -> None:
    page = open_page()
    page.engine_python.setFilePath(str(engine_python))
    assert str(engine_python) in page.interpreter.text()
    page.engine_python.setFilePath(str(tmp_path / "no-python"))
    assert "no-python, which is no Python" in page.interpreter.text()


@pytest.mark.parametrize(("action", "only_folders"), [("choose_python", False), ("choose_environment", True)])
def test_engine_is_browsed_for_as_a_file_or_as_a_folder(
    open_page: Callable[[], OptionsPage], engine_python: Path, action: str, only_folders: bool
) -> None:
    page = open_page()
    environment = engine_python.parent.parent
    page.engine_python.setFilePath(str(environment))
    assert page.interpreter.text() == f"Used: {engine_python}"
    entries = {one.objectName(): one for one in page.findChild(QToolButton, "choose_engine").menu().actions()}
    asked: list[bool] = []

    def close() -> None:
        for dialog in QApplication.topLevelWidgets():
            if isinstance(dialog, QFileDialog) and dialog.isVisible():
                asked.append(dialog.testOption(QFileDialog.Option.ShowDirsOnly))
                dialog.close()

    timer = QTimer()
    timer.timeout.connect(close)
    timer.start(50)
    entries[action].trigger()
    assert asked == [only_folders]
    assert page.engine_python.filePath() == str(environment)


def test_changed_cache_folder_restarts_the_engine(
    open_page: Callable[[], OptionsPage], client: EngineClient, wait_until: Wait, tmp_path: Path
) -> None:
    answers: list[dict] = []
    client.request("index.list", {}).finished.connect(answers.append)
    wait_until(lambda: len(answers) == 1, SECONDS)
    page = open_page()
    page.apply()
    assert client.is_running()
    page.cache_folder.setFilePath(str(tmp_path / "other"))
    page.apply()
    wait_until(lambda: not client.is_running())
    client.request("index.list", {}).finished.connect(answers.append)
    wait_until(lambda: len(answers) == 2, SECONDS)
    assert Path(answers[1]["folder"]).is_relative_to(tmp_path / "other")


def test_indexes_and_help_are_one_click_away(open_page: Callable[[], OptionsPage]) -> None:
    page = open_page()
    page.manage.click()
    assert page.calls == ["indexes"]
    assert page.findChild(QToolButton, "help").accessibleName() == "Help"
