"""The dock without an engine, while one is installed, and after the plugin was upgraded; the options' section on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qgis.core import QgsProject, QgsRasterLayer
from qgis.gui import QgsMessageBar
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QMessageBox, QTextEdit

from qgis_mpsclip.dock import SearchDock
from qgis_mpsclip.install.former import remember
from qgis_mpsclip.install.installed import current
from qgis_mpsclip.install.own import claim
from qgis_mpsclip.options_page import OptionsPage
from tests.plugin.support.questions import answer
from tests.plugin.support.tiny_session import TinySession, tiny_session

SECONDS = 120.0
WIDEST = 300  # logical pixels: a dock beside the map on a small screen
Wait = Callable[..., None]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private_settings: object) -> Iterator[TinySession]:
    with tiny_session(tmp_path, monkeypatch) as made:
        made.settings.results_folder = str(tmp_path / "results")
        yield made


@pytest.fixture
def dock(
    tiny: TinySession, qgis_iface, qgis_new_project, bar: QgsMessageBar, scene_layer: QgsRasterLayer
) -> Iterator[SearchDock]:
    QgsProject.instance().addMapLayer(scene_layer)
    dock = SearchDock(qgis_iface, tiny.client, tiny.settings, installation=tiny.session)
    dock.setFloating(True)
    dock.hide()
    dock.resize(WIDEST, 900)
    yield dock
    dock.clean_up()
    dock.close()
    dock.deleteLater()


@pytest.fixture
def page(tiny: TinySession) -> Iterator[OptionsPage]:
    page = OptionsPage(tiny.settings, tiny.client, lambda: None, tiny.session)
    yield page
    page.close()
    page.deleteLater()


def install(tiny: TinySession, wait_until: Wait) -> None:
    tiny.session.start(tiny.plugin.options())
    wait_until(lambda: not tiny.session.is_running, SECONDS)
    assert tiny.session.error is None


def search(dock: SearchDock, query: str) -> None:
    dock.query.edit.clear()
    QTest.keyClicks(dock.query.edit, query)
    QTest.keyClick(dock.query.edit, Qt.Key.Key_Return)


def requests_of(tiny: TinySession) -> list[bool]:
    """Grows whenever a window asks for the dialog."""
    asked: list[bool] = []
    tiny.session.requested.connect(lambda: asked.append(True))
    return asked


def shown(bar: QgsMessageBar) -> str:
    return bar.currentItem().findChild(QTextEdit).toPlainText()


def test_the_dock_offers_the_installation_before_anything_is_typed(tiny: TinySession, dock: SearchDock) -> None:
    asked = requests_of(tiny)
    dock.show()
    assert dock.notice.isVisible()
    assert "a set of Python packages" in dock.notice.label.text()
    assert [each.text().replace("&", "") for each in (dock.notice.button, dock.notice.other)] == [
        "Install Engine…",
        "Choose Another Python…",
    ]
    assert not tiny.client.is_running()
    QTest.keyClicks(dock.query.edit, "echo")
    assert dock.notice.isVisible()
    QTest.keyClick(dock.notice.button, Qt.Key.Key_Space)
    assert asked == [True]
    assert dock.notice.minimumSizeHint().width() < WIDEST


def test_a_search_without_an_engine_leads_to_the_installation(
    dock: SearchDock, bar: QgsMessageBar, wait_until: Wait
) -> None:
    dock.show()
    search(dock, "echo")
    wait_until(lambda: not dock.controller.is_busy)
    assert "not installed" in shown(bar)
    assert dock.notice.button.text().replace("&", "") == "Install Engine…"


def test_what_was_typed_is_searched_for_at_once_after_the_installation(
    tiny: TinySession, dock: SearchDock, bar: QgsMessageBar, wait_until: Wait
) -> None:
    dock.show()
    QTest.keyClicks(dock.query.edit, "echo")
    texts: list[str] = []
    dock.engine.changed.connect(lambda: texts.append(dock.notice.label.text()))
    install(tiny, wait_until)
    assert any(text.startswith("The search engine is being installed") and text.endswith("\u00a0%.") for text in texts)
    assert not dock.notice.isVisible()
    assert shown(bar).endswith("The search engine is installed.")
    found: list[str] = []
    tiny.client.stateChanged.connect(found.append)
    QTest.keyClick(dock.query.edit, Qt.Key.Key_Return)
    wait_until(lambda: not dock.controller.is_busy, SECONDS)
    assert "busy" in found  # the engine got it
    assert not dock.notice.isVisible()


def test_a_failed_installation_is_told_in_the_dock(
    tiny: TinySession, dock: SearchDock, bar: QgsMessageBar, wait_until: Wait
) -> None:
    dock.show()
    tiny.plugin.sick()
    tiny.session.start(tiny.plugin.options())
    wait_until(lambda: not tiny.session.is_running, SECONDS)
    assert "alpha: is ill" in shown(bar)
    assert "could not be installed" in dock.notice.label.text()
    assert dock.notice.button.text() == "Show What Helps…"


def test_an_upgraded_plugin_asks_for_an_update_and_works_until_then(
    tiny: TinySession, dock: SearchDock, wait_until: Wait
) -> None:
    install(tiny, wait_until)
    dock.show()
    assert not dock.notice.isVisible()
    tiny.new_release()
    dock.hide()
    dock.show()
    assert "newer packages" in dock.notice.label.text()
    assert dock.notice.button.text().replace("&", "") == "Update Engine…"
    found: list[str] = []
    tiny.client.stateChanged.connect(found.append)
    search(dock, "echo")
    wait_until(lambda: not dock.controller.is_busy, SECONDS)
    assert "busy" in found
    dock.notice.other.click()  # not now
    assert not dock.notice.isVisible()
    old = current(tiny.plugin.folder)
    install(tiny, wait_until)
    assert current(tiny.plugin.folder).python != old.python
    assert not tiny.session.state().is_outdated
    wait_until(lambda: not old.folder.exists(), SECONDS)  # the engine ran from it until now


def test_a_wrong_setting_is_told_with_both_ways_out(tiny: TinySession, dock: SearchDock) -> None:
    tiny.settings.engine_python = "/nowhere/python"
    dock.show()
    assert "/nowhere/python, which is no Python" in dock.notice.label.text()
    assert dock.notice.button.isVisible() and dock.notice.other.isVisible()


def test_the_options_say_what_is_installed_and_where(tiny: TinySession, page: OptionsPage, wait_until: Wait) -> None:
    asked = requests_of(tiny)
    page.show()
    assert page.engine.state.text() == "The plugin has not installed an engine."
    assert not page.engine.remove.isEnabled() and not page.engine.check.isEnabled()
    page.engine.install.click()
    assert asked == [True]
    install(tiny, wait_until)
    environment = current(tiny.plugin.folder)
    wait_until(lambda: "…" not in page.engine.state.text(), SECONDS)
    first, second = page.engine.state.text().splitlines()
    assert (first.startswith("CPU, ") and "kB, installed " in first) or "MB, installed " in first
    assert second == str(environment.folder)
    assert page.engine.install.text().replace("&", "") == "Install Again…"
    tiny.new_release()
    page.engine.look()
    assert "update it" in page.engine.state.text()
    assert page.engine.install.text().replace("&", "") == "Update…"


def test_uninstalling_asks_and_says_what_stays(
    tiny: TinySession, page: OptionsPage, dock: SearchDock, wait_until: Wait, tmp_path: Path
) -> None:
    install(tiny, wait_until)
    earlier = tmp_path / "earlier"
    claim(earlier / "cache")
    (earlier / "cache" / "wheel").write_bytes(bytes(5_000_000))
    remember(tiny.settings, earlier)
    page.show()
    dock.show()
    wait_until(lambda: "MB)" in page.engine.former.label.text(), SECONDS)
    texts: list[str] = []
    answer(QMessageBox.StandardButton.Cancel, texts)
    page.engine.remove.click()
    assert current(tiny.plugin.folder) is not None
    assert str(tiny.plugin.folder) in texts[0]
    assert "Results, indexes, fetched models and the settings stay" in texts[0]
    assert f"Also the earlier engine in {earlier} (5.0 MB)" in texts[0].replace("&", "")
    answer(QMessageBox.StandardButton.Yes, texts)
    page.engine.remove.click()
    wait_until(lambda: "not installed an engine" in page.engine.state.text(), SECONDS)
    assert current(tiny.plugin.folder) is None
    assert not earlier.exists()
    assert dock.notice.button.text().replace("&", "") == "Install Engine…"


def test_a_beginning_can_be_uninstalled_too(tiny: TinySession, page: OptionsPage, wait_until: Wait) -> None:
    tiny.plugin.sick()
    tiny.session.start(tiny.plugin.options())
    wait_until(lambda: not tiny.session.is_running, SECONDS)
    page.show()
    assert page.engine.state.text() == "The plugin has not installed an engine."
    texts: list[str] = []
    answer(QMessageBox.StandardButton.Yes, texts)
    page.engine.remove.click()
    wait_until(lambda: not tiny.plugin.folder.exists(), SECONDS)
    wait_until(lambda: not page.engine.remove.isEnabled(), SECONDS)


def test_what_is_set_of_the_installation_is_kept(tiny: TinySession, page: OptionsPage, tmp_path: Path) -> None:
    page.install_folder.setFilePath(str(tmp_path / "engines of all"))
    page.wheels_folder.setFilePath(str(tmp_path / "wheels"))
    page.package_index.setText(" http://localhost:1/simple ")
    page.torch_index.setText("http://localhost:2/whl")
    page.apply()
    settings = tiny.settings
    assert settings.install_folder == str(tmp_path / "engines of all")
    assert settings.wheels_folder == str(tmp_path / "wheels")
    assert (settings.package_index, settings.torch_index) == ("http://localhost:1/simple", "http://localhost:2/whl")
    for name in ("install_folder", "wheels_folder", "package_index", "torch_index"):
        setattr(settings, name, "")


def test_the_options_page_shows_what_an_installation_has_changed_in_them(
    tiny: TinySession, page: OptionsPage, wait_until: Wait
) -> None:
    tiny.settings.engine_python = "/nowhere/python"
    page._fill_places()
    page.show()
    assert "/nowhere/python" in page.interpreter.text()
    install(tiny, wait_until)
    assert page.engine_python.filePath() == ""
    page.apply()
    assert tiny.settings.engine_python == ""
