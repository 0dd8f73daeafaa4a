"""The documentation opens in a window of the plugin's own, with its pictures, sections and links."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QCoreApplication, QEvent, QObject, QPoint, QUrl, pyqtSlot
from qgis.PyQt.QtGui import QDesktopServices, QTextDocument
from qgis.PyQt.QtWidgets import QMainWindow

from qgis_mpsclip.documentation import docs_folder, help_address, help_button, leave_help, open_guide, take_help
from qgis_mpsclip.guide import GuideDialog
from qgis_mpsclip.version import homepage

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
Find = Callable[[], "list[GuideDialog]"]


@pytest.fixture
def windows(qgis_app: QgsApplication) -> Iterator[Find]:
    """The windows that show documentation now."""
    main = QMainWindow()
    main.show()
    main.activateWindow()
    yield lambda: [one for one in QgsApplication.topLevelWidgets() if isinstance(one, GuideDialog) and one.isVisible()]
    leave_help()
    main.close()


@pytest.fixture
def opened_in_browser(qgis_app: QgsApplication) -> Iterator[list[str]]:
    """Addresses that would have gone to the browser."""
    asked: list[str] = []

    class Browser(QObject):
        @pyqtSlot(QUrl)
        def open(self, address: QUrl) -> None:
            asked.append(address.toString())

    browser = Browser()
    QDesktopServices.setUrlHandler("https", browser, "open")
    yield asked
    QDesktopServices.unsetUrlHandler("https")


def uppermost(window: GuideDialog) -> str:
    """The heading or line at the upper edge."""
    return window.browser.cursorForPosition(QPoint(20, 8)).block().text()


@pytest.mark.parametrize(
    ("section", "heading"),
    [("", "User guide"), ("results", "Results"), ("indexes", "Indexes"), ("no-such", "User guide")],
)
def test_guide_opens_at_a_section(windows: Find, section: str, heading: str) -> None:
    open_guide(section)
    (window,) = windows()
    assert uppermost(window) == heading


def test_guide_without_a_parent_stays_open(qgis_app: QgsApplication) -> None:
    """As where another program's window is in front."""
    visible = [one for one in QgsApplication.topLevelWidgets() if one.isVisible()]
    for one in visible:
        one.hide()

    def guides() -> list[GuideDialog]:
        return [one for one in QgsApplication.topLevelWidgets() if isinstance(one, GuideDialog)]

    open_guide("results")
    gc.collect()
    (window,) = guides()
    open_guide("export")
    assert guides() == [window] and window.isVisible() and window.parentWidget() is None
    assert uppermost(window) == "Export"
    leave_help()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert guides() == []
    for one in visible:
        one.show()


def test_buttons_share_one_window(windows: Find) -> None:
    for section in ("results", "export"):
        help_button(section).click()
    (window,) = windows()
    assert uppermost(window) == "Export"
    assert f"{homepage()}/blob/main/docs/user-guide.md#export" in window.address.text()


def test_pictures_of_the_guide_are_shown_and_fit(windows: Find) -> None:
    open_guide()
    (window,) = windows()
    names = re.findall(r"!\[[^]]*\]\(([^)]+)\)", (DOCS / "user-guide.md").read_text(encoding="utf-8"))
    assert names
    for name in names:
        picture = window.browser.document().resource(QTextDocument.ResourceType.ImageResource, QUrl(name))
        assert 100 < picture.width() <= window.browser.viewport().width()


def test_links_lead_to_pages_sections_and_the_web(windows: Find, opened_in_browser: list[str]) -> None:
    open_guide()
    (window,) = windows()
    window.browser.anchorClicked.emit(QUrl("processing.md"))
    assert uppermost(window) == "Processing algorithms"
    window.browser.anchorClicked.emit(QUrl("#mpsclipbuildindex"))
    assert uppermost(window) == "mpsclip:buildindex"
    assert opened_in_browser == []
    window.browser.anchorClicked.emit(QUrl("segmenters-of-yesterday.md#speed"))
    window.browser.anchorClicked.emit(QUrl("https://example.org/a"))
    assert opened_in_browser == [
        f"{homepage()}/blob/main/docs/segmenters-of-yesterday.md#speed",
        "https://example.org/a",
    ]


def test_help_of_processing_opens_the_window_while_the_plugin_is_loaded(
    windows: Find, opened_in_browser: list[str]
) -> None:
    assert help_address("processing.md", "mpsclipbuildindex").startswith("https://")
    take_help()
    assert QDesktopServices.openUrl(QUrl(help_address("processing.md", "mpsclipbuildindex")))
    (window,) = windows()
    assert uppermost(window) == "mpsclip:buildindex"
    leave_help()
    assert windows() == []
    assert help_address("processing.md").startswith("https://")
    assert opened_in_browser == []


def test_documentation_is_found_in_the_zip_and_in_a_checkout(tmp_path: Path) -> None:
    package = tmp_path / "plugins" / "qgis_mpsclip"
    assert docs_folder() == DOCS
    assert docs_folder(package) is None
    for folder in (package.parent / "docs", package / "docs"):
        folder.mkdir(parents=True)
        (folder / "user-guide.md").write_text("# User guide")
        assert docs_folder(package) == folder
