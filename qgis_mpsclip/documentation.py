"""The user guide on the web, and the button that opens it."""

from __future__ import annotations

from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import QToolButton, QWidget

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.icons import icon
from qgis_mpsclip.version import homepage


def guide_url(section: str = "") -> str:
    """Address of the user guide, at one of its sections."""
    return f"{homepage()}/blob/main/docs/user-guide.md" + (f"#{section}" if section else "")


def open_guide(section: str = "") -> None:
    """Show it in the user's browser."""
    QDesktopServices.openUrl(QUrl(guide_url(section)))


def help_button(section: str, parent: QWidget | None = None) -> QToolButton:
    """A button that opens a section of the guide."""
    button = QToolButton(parent)
    button.setObjectName("help")
    button.setIcon(icon("help"))
    button.setToolTip(tr("Open the user guide in the browser"))
    button.setAccessibleName(tr("Help"))
    button.clicked.connect(lambda: open_guide(section))
    return button
