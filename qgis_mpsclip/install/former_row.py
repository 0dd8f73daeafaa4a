"""What an engine takes that was installed before another folder was chosen, and a button that removes it."""

from __future__ import annotations

from pathlib import Path

from qgis.PyQt.QtCore import Qt, pyqtSlot
from qgis.PyQt.QtGui import QShowEvent
from qgis.PyQt.QtWidgets import QHBoxLayout, QLabel, QMessageBox, QPushButton, QWidget

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.background import Background
from qgis_mpsclip.install.installed import own_bytes
from qgis_mpsclip.install.session import Installation
from qgis_mpsclip.sizes import size_text


class FormerRow(QWidget):
    """Empty where there is none. Looks when it is shown, and whenever something is installed or removed."""

    def __init__(self, installation: Installation, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._installation = installation
        self._sizes: dict[Path, int] = {}
        self._measuring: Background | None = None
        self._is_removing = False
        self._problem = ""
        self.label = QLabel()
        self.label.setObjectName("former")
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.remove = QPushButton(tr("Remove &Earlier…"))
        self.remove.setObjectName("remove_former")
        self.remove.setAutoDefault(False)
        self.remove.clicked.connect(self._remove)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.label, 1)
        row.addWidget(self.remove, 0, Qt.AlignmentFlag.AlignTop)
        installation.changed.connect(self.look)
        installation.uninstalled.connect(self._removed)
        self._tell()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.look()

    @pyqtSlot()
    def look(self) -> None:
        """See what there is, and begin to measure it."""
        unknown = [folder for folder in self._installation.former() if folder not in self._sizes]
        if unknown and self._measuring is None and self.isVisible():
            work = Background(
                tr("Measuring an earlier engine"), lambda is_cancelled: {each: own_bytes(each) for each in unknown}
            )
            work.done.connect(self._measured)
            work.failed.connect(self._not_measured)
            self._measuring = work.start()
        self._tell()

    def texts(self) -> list[str]:
        """Each folder with its size, as far as it is known."""
        return [
            f"{folder} ({size_text(self._sizes[folder])})" if folder in self._sizes else str(folder)
            for folder in self._installation.former()
        ]

    @pyqtSlot(object)
    def _measured(self, sizes: dict[Path, int]) -> None:
        self._measuring = None
        self._sizes.update(sizes)
        self._tell()

    @pyqtSlot(object)
    def _not_measured(self, error: Exception) -> None:
        self._measuring = None

    def _tell(self) -> None:
        texts = self.texts()
        for part in (self.label, self.remove):
            part.setVisible(bool(texts))
        lines = [tr("An earlier engine is in {folder}.").format(folder=text) for text in texts]
        self.label.setText("\n".join([*lines, self._problem] if self._problem else lines))
        self.remove.setEnabled(not self._installation.is_running and not self._is_removing)

    def _remove(self) -> None:
        buttons = QMessageBox.StandardButton
        question = QMessageBox(
            QMessageBox.Icon.Question,
            tr("Remove the Earlier Engine"),
            tr("Remove the earlier engine from {folders}?").format(folders=", ".join(self.texts())),
            buttons.Yes | buttons.Cancel,
            self,
        )
        question.setInformativeText(tr("Other QGIS profiles that use it lose it."))
        question.button(buttons.Yes).setText(tr("&Remove"))
        question.setDefaultButton(buttons.Cancel)
        if question.exec() == buttons.Yes:
            self._is_removing, self._problem = True, ""
            self._tell()
            self._installation.remove_former()

    @pyqtSlot(object)
    def _removed(self, error: Exception | None) -> None:
        self._sizes.clear()
        if self._is_removing and error is not None:
            self._problem = str(error) if isinstance(error, MpsClipError) else repr(error)
        self._is_removing = False
        self.look()
