"""The dialog's page for those who have a Python with the engine's packages already."""

from __future__ import annotations

from pathlib import Path

from qgis.gui import QgsFileWidget
from qgis.PyQt.QtCore import pyqtSignal, pyqtSlot
from qgis.PyQt.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.background import Background
from qgis_mpsclip.install.existing import Examination, examine
from qgis_mpsclip.install.message import SUCCESS, WARNING, MessageLine
from qgis_mpsclip.install.session import Installation


class ExistingPage(QWidget):
    """Has an interpreter examined. Signal ``changed()``: another one was chosen, or examined."""

    changed = pyqtSignal()

    def __init__(self, installation: Installation, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._installation = installation
        self._task: Background | None = None
        self._good: Path | None = None
        text = QLabel(
            tr(
                "Choose the Python of an environment in which the engine's packages are installed, such as one of conda"
                " or one that an administrator has made. It is looked at and left as it is."
            )
        )
        text.setWordWrap(True)
        self.python = QgsFileWidget()
        self.python.setObjectName("existing_python")
        self.python.setStorageMode(QgsFileWidget.StorageMode.GetFile)
        self.python.setDialogTitle(tr("Python with the engine's packages"))
        self.python.lineEdit().setAccessibleName(tr("Python with the engine's packages"))
        self.python.fileChanged.connect(self._other)
        self.examine = QPushButton(tr("&Examine"))
        self.examine.setObjectName("examine")
        self.examine.clicked.connect(self.look)
        self.python.lineEdit().returnPressed.connect(self.look)
        self.result = MessageLine("examination")
        row = QHBoxLayout()
        row.addWidget(self.python, 1)
        row.addWidget(self.examine)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(text)
        column.addLayout(row)
        column.addWidget(self.result)
        column.addStretch()
        self._other()

    def good(self) -> Path | None:
        """The chosen interpreter, once it was found to have all that is needed."""
        return self._good

    def look(self) -> None:
        """Examine what is chosen."""
        path = self.python.filePath().strip()
        if not path:
            return
        self._other()
        self.examine.setEnabled(False)
        self.result.set_picture(WARNING)
        self.result.show_text(tr("Looking at {python}…").format(python=path))
        python, requirements = Path(path).expanduser(), self._installation.requirements
        self._task = Background(
            tr("Examining a Python"), lambda is_cancelled: examine(python, requirements, is_cancelled)
        )
        self._task.done.connect(self._examined)
        self._task.failed.connect(self._not_examined)
        self._task.start()

    @pyqtSlot(object)
    def _examined(self, found: Examination) -> None:
        self._task = None
        self._good = Path(self.python.filePath().strip()).expanduser() if found.ok else None
        self._show(SUCCESS if found.ok else WARNING, found.text)

    @pyqtSlot(object)
    def _not_examined(self, error: Exception) -> None:
        self._task = None
        self._show(WARNING, str(error))

    def _show(self, picture: str, text: str) -> None:
        self.examine.setEnabled(True)
        self.result.set_picture(picture)
        self.result.show_text(text)
        self.changed.emit()

    def _other(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._good = None
        self.examine.setEnabled(bool(self.python.filePath().strip()))
        self.result.show_text("")
        self.changed.emit()
