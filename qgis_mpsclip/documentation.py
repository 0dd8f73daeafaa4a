"""The documentation that comes with the plugin, and what opens it at a section."""

from __future__ import annotations

from pathlib import Path

from qgis.PyQt.QtCore import QObject, QUrl, pyqtSlot
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import QApplication, QMainWindow, QToolButton, QWidget

from qgis_mpsclip.guide import GuideDialog
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.icons import icon
from qgis_mpsclip.version import page_url

GUIDE = "user-guide.md"
SCHEME = "mpsclip-help"
_PACKAGE = Path(__file__).resolve().parent


class _Handler(QObject):
    @pyqtSlot(QUrl)
    def open(self, address: QUrl) -> None:
        open_page(address.path(), address.fragment())


_taken: dict[str, _Handler] = {}
# Python would delete a window without a parent as soon as nothing names it.
_windows: set[GuideDialog] = set()


def docs_folder(package: Path = _PACKAGE) -> Path | None:
    """Where the documentation lies: in the package, as in the zip, or beside it, as in a checkout; None: nowhere."""
    for folder in (package / "docs", package.parent / "docs"):
        if (folder / GUIDE).is_file():
            return folder
    return None


def open_guide(section: str = "") -> None:
    """Show the user guide at one of its sections."""
    open_page(GUIDE, section)


def open_page(page: str, section: str = "") -> None:
    """Show a page in a window; in the browser where it did not come with the plugin."""
    folder = docs_folder()
    if folder is None or not (folder / page).is_file():
        QDesktopServices.openUrl(QUrl(page_url(page, section)))
        return
    parent = _parent()
    window = next((one for one in _windows if one.parentWidget() is parent), None) or _made(folder, parent)
    window.show()
    window.open_page(page, section)
    window.raise_()
    window.activateWindow()


def _made(folder: Path, parent: QWidget | None) -> GuideDialog:
    window = GuideDialog(folder, parent)
    _windows.add(window)
    window.destroyed.connect(lambda: _windows.discard(window))
    return window


def help_address(page: str, section: str = "") -> str:
    """What others are to open: the page's window while :func:`take_help` holds, else its address on the web."""
    return f"{SCHEME}:{page}#{section}" if SCHEME in _taken else page_url(page, section)


def take_help() -> None:
    """Addresses of the scheme ``mpsclip-help`` open pages, such as those of the Help buttons of Processing."""
    handler = _taken[SCHEME] = _Handler()
    QDesktopServices.setUrlHandler(SCHEME, handler, "open")


def leave_help() -> None:
    """The opposite; all windows of the documentation go too."""
    QDesktopServices.unsetUrlHandler(SCHEME)
    _taken.pop(SCHEME, None)
    for widget in QApplication.topLevelWidgets():
        if isinstance(widget, GuideDialog):
            widget.close()


def help_button(section: str, parent: QWidget | None = None) -> QToolButton:
    """A button that opens a section of the guide."""
    button = QToolButton(parent)
    button.setObjectName("help")
    button.setIcon(icon("help"))
    button.setToolTip(tr("Open the user guide"))
    button.setAccessibleName(tr("Help"))
    button.clicked.connect(lambda: open_guide(section))
    return button


def _parent() -> QWidget | None:
    """A modal dialog lets its own windows be used and no others."""
    found = QApplication.activeModalWidget() or QApplication.activeWindow()
    if isinstance(found, GuideDialog):
        found = found.parentWidget()
    return found or next(
        (one for one in QApplication.topLevelWidgets() if isinstance(one, QMainWindow) and one.isVisible()), None
    )
