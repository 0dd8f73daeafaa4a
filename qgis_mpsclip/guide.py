"""The window that shows the documentation which comes with the plugin."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from qgis.PyQt.QtCore import Qt, QUrl
from qgis.PyQt.QtGui import QDesktopServices, QImage, QTextBlock, QTextCursor, QTextDocument
from qgis.PyQt.QtWidgets import QDialog, QDialogButtonBox, QLabel, QTextBrowser, QVBoxLayout, QWidget

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.version import page_url

NAME = "mpsclip_guide"
_PICTURE_WIDTH = 760  # pixels; many pictures are as wide as QGIS's window


class GuideDialog(QDialog):
    """Pages of a folder, with links between them and to the web.

    Args:
        folder: holds the pages, in Markdown.
    """

    def __init__(self, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder = folder
        self.page = ""
        self.setObjectName(NAME)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("MPS-CLIP Search: Documentation"))
        self.browser = _Browser()
        self.browser.setAccessibleName(tr("Documentation"))
        self.browser.setSearchPaths([str(folder)])
        self.browser.setOpenLinks(False)
        self.browser.anchorClicked.connect(self.follow)
        self.address = QLabel()
        self.address.setOpenExternalLinks(True)
        self.address.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        column = QVBoxLayout(self)
        for widget in (self.browser, self.address, buttons):
            column.addWidget(widget)
        self.resize(_PICTURE_WIDTH + 80, 700)

    def open_page(self, page: str, section: str = "") -> None:
        """Show a page of the folder at a section, named by its heading as in links: lower case, with hyphens."""
        if page != self.page:
            self.page = page
            self.browser.setMarkdown((self._folder / page).read_text(encoding="utf-8"))
        self.browser.go_to(section)
        address = page_url(page, section)
        self.address.setText(tr("On the web: {link}").format(link=f'<a href="{address}">{address}</a>'))

    def follow(self, link: QUrl) -> None:
        """Go where a link leads; the web, and pages that did not come with the plugin, open in the browser."""
        page = link.path() or self.page
        if not link.isRelative():
            QDesktopServices.openUrl(link)
        elif page.endswith(".md") and (self._folder / page).is_file():
            self.open_page(page, link.fragment())
        else:
            QDesktopServices.openUrl(QUrl(page_url(page, link.fragment())))


class _Browser(QTextBrowser):
    def loadResource(self, kind: int, name: QUrl) -> Any:
        """Pictures no wider than the window."""
        if kind != QTextDocument.ResourceType.ImageResource:
            return super().loadResource(kind, name)
        image = QImage(str(Path(self.searchPaths()[0], name.path())))
        if image.width() <= _PICTURE_WIDTH:
            return image
        return image.scaledToWidth(_PICTURE_WIDTH, Qt.TransformationMode.SmoothTransformation)

    def go_to(self, section: str) -> None:
        """Scroll until the section's heading is uppermost; to the beginning where there is no such section."""
        document = self.document()
        block = document.begin()
        while block.isValid() and not (block.blockFormat().headingLevel() and _slug(block) == section):
            block = block.next()
        block = block if block.isValid() else document.begin()
        frame = document.rootFrame().frameFormat()
        frame.setBottomMargin(self.viewport().height())  # the last section can be uppermost too
        document.rootFrame().setFrameFormat(frame)
        document.size()  # has all of it laid out
        self.setTextCursor(QTextCursor(block))
        self.verticalScrollBar().setValue(int(document.documentLayout().blockBoundingRect(block).top()))


def _slug(heading: QTextBlock) -> str:
    return re.sub(r"[^\w-]", "", heading.text().strip().lower().replace(" ", "-"))
