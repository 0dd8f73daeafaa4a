"""The dialog's first page: what will be installed, from where, and whether there is room for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qgis.gui import QgsCollapsibleGroupBox, QgsFileWidget
from qgis.PyQt.QtCore import Qt, pyqtSignal, pyqtSlot
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from qgis_mpsclip.dock.narrow_combo import NarrowCombo
from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install import wording
from qgis_mpsclip.install.background import Background
from qgis_mpsclip.install.connection import connection_note
from qgis_mpsclip.install.device import Device, detect_device
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.message import MessageLine
from qgis_mpsclip.install.places import environments_folder
from qgis_mpsclip.install.plan import Choice, InstallOptions
from qgis_mpsclip.install.room import folder_named, folder_problem, free_bytes, room_warning
from qgis_mpsclip.install.session import Installation
from qgis_mpsclip.settings import Settings

if TYPE_CHECKING:
    from qgis_mpsclip.install.state import EngineState


class ChoicePage(QWidget):
    """Signals: ``changed()``, when what can be installed may have; ``existingWanted()``: another page is wanted."""

    changed = pyqtSignal()
    existingWanted = pyqtSignal()

    def __init__(self, settings: Settings, installation: Installation, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._installation = installation
        self._device: Device | None = None
        self._choices: list[Choice] = []
        self._present = ""
        self._looking: Background | None = None
        self._connection_note = connection_note()  # once: a system may look for its proxies for seconds
        self._make_fields()
        self._lay_out()
        self._fill()

    # ---- what the dialog asks

    def look(self) -> None:
        """Look for a GPU, which takes a moment, and offer what suits it."""
        if self._device is None and self._looking is None:
            self._looking = Background(tr("Looking for a GPU"), lambda is_cancelled: detect_device())
            self._looking.done.connect(self._found)
            self._looking.failed.connect(self._not_found)
            self._looking.start()

    def tell_state(self, state: EngineState) -> None:
        """Say what there is already."""
        self.introduction.setText(wording.introduction(state))
        self._present = state.environment.choice_id if state.environment is not None else ""
        self.note.show_text(wording.other_python(state))

    def choice(self) -> Choice | None:
        """What is chosen; None while nothing can be."""
        profile = "samgeo" if self.samgeo.isChecked() and self.samgeo.isEnabled() else "engine"
        of_version = [each for each in self._choices if _version(each) == self.version.currentData()]
        return next((each for each in of_version if each.profile == profile), None)

    def problem(self) -> str:
        """What stands against installing this, and what helps; empty where nothing does."""
        chosen = self.choice()
        if chosen is None:
            return "" if self._device is None else self.message.text()
        return folder_problem(self._folder_text())

    def options(self) -> InstallOptions | None:
        """What the fields say, which is remembered; None while nothing can be installed."""
        chosen = self.choice()
        try:
            folder = folder_named(self._folder_text())
        except InstallError:  # told as a problem
            return None
        if chosen is None:
            return None
        settings = self._settings
        settings.wheels_folder = self.wheels.filePath().strip()
        settings.package_index = self.package_index.text().strip()
        settings.torch_index = self.torch_index.text().strip()
        base = self.base_python.filePath().strip()
        return InstallOptions(
            choice=chosen,
            folder=folder,
            wheels=self._wheels(),
            base_python=Path(base).expanduser() if base else None,
            index_url=settings.package_index,
            torch_index=settings.torch_index,
        )

    # ---- fields

    def _make_fields(self) -> None:
        self.introduction = _label("introduction")
        self.note = MessageLine("note")
        self.device = _label("device")
        self.device.setText(tr("Looking for a GPU…"))
        self.version = NarrowCombo("version")
        self.version.currentIndexChanged.connect(self._version_changed)
        self.hint = _label("hint")
        self.hint.hide()
        self.samgeo = QCheckBox(tr("With the &SamGeo segmenters"))
        self.samgeo.setObjectName("samgeo")
        self.samgeo.setToolTip(tr("Finer outlines by larger models, which are downloaded when they are first used."))
        self.samgeo.toggled.connect(self._tell)
        self.needs = _label("needs")
        self.folder = _file("install_folder", QgsFileWidget.StorageMode.GetDirectory)
        self.folder.fileChanged.connect(self._tell)
        self.base_python = _file("base_python", QgsFileWidget.StorageMode.GetFile)
        self.base_python.lineEdit().setPlaceholderText(tr("Found or provided by the installer"))
        self.wheels = _file("wheels_folder", QgsFileWidget.StorageMode.GetDirectory)
        self.wheels.lineEdit().setPlaceholderText(tr("None: packages are downloaded"))
        self.wheels.fileChanged.connect(self._tell)
        self.package_index = QLineEdit()
        self.package_index.setObjectName("package_index")
        self.package_index.setPlaceholderText(tr("The one that pip is configured for"))
        self.torch_index = QLineEdit()
        self.torch_index.setObjectName("torch_index")
        self.torch_index.setPlaceholderText(tr("The project's own"))
        self.existing = QPushButton(tr("Use an E&xisting Python Instead…"))
        self.existing.setObjectName("existing")
        self.existing.clicked.connect(self.existingWanted)
        self.message = MessageLine("problem")

    def _lay_out(self) -> None:
        form = _form()
        _row(form, tr("Computes on"), self.device, tr("What was found on this machine."))
        _row(form, tr("&Version"), self.version, tr("Only what this release has a tested lock for is offered."))
        form.addRow("", self.hint)
        form.addRow("", self.samgeo)
        _row(form, tr("Needs"), self.needs, tr("Downloads that are still in the installer's cache are not repeated."))
        _row(
            form,
            tr("&Folder"),
            self.folder,
            tr("The environment is made in it. All your QGIS profiles may share it."),
        )
        self.more = QgsCollapsibleGroupBox(tr("More options"))
        self.more.setObjectName("more_options")
        self.more.setSaveCollapsedState(False)
        advanced = _form(self.more)
        tip = tr("A Python from which the environment is made, instead of the one that the installer finds.")
        _row(advanced, tr("&Base Python"), self.base_python, tip)
        tip = tr("For a machine without internet: a folder with the files of all packages. Nothing is downloaded then.")
        _row(advanced, tr("Folder of &wheels"), self.wheels, tip)
        tip = tr("Address of a mirror from which packages are downloaded. Their checksums must be those of the lock.")
        _row(advanced, tr("&Package index"), self.package_index, tip)
        tip = tr("Address of a mirror for PyTorch alone, where its build has its own index.")
        _row(advanced, tr("Py&Torch index"), self.torch_index, tip)
        advanced.addRow(self.existing)

        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.introduction)
        column.addWidget(self.note)
        column.addLayout(form)
        column.addWidget(self.message)
        column.addWidget(self.more)
        column.addStretch()
        self.more.setCollapsed(True)

    def _fill(self) -> None:
        settings = self._settings
        self.wheels.setFilePath(settings.wheels_folder)
        self.package_index.setText(settings.package_index)
        self.torch_index.setText(settings.torch_index)
        try:
            self.folder.setFilePath(str(environments_folder(settings)))
        except MpsClipError:  # the setting names a folder that is refused: shown, and told below
            self.folder.setFilePath(settings.install_folder)
        if settings.wheels_folder or settings.package_index or settings.torch_index:
            self.more.setCollapsed(False)

    def _folder_text(self) -> str:
        return self.folder.filePath().strip()

    def _free_bytes(self) -> int | None:
        try:
            return free_bytes(folder_named(self._folder_text()))
        except InstallError:  # told as a problem
            return None

    def _wheels(self) -> Path | None:
        text = self.wheels.filePath().strip()
        return Path(text).expanduser() if text else None

    # ---- what suits this machine

    @pyqtSlot(object)
    def _found(self, device: Device) -> None:
        self._looking, self._device = None, device
        self.device.setText(wording.device_text(device))
        try:
            self._choices = self._installation.choices(device)
        except (MpsClipError, OSError) as error:
            self._nothing_suits(str(error))
            return
        if not self._choices:
            self._nothing_suits(wording.nothing_suits())
            return
        self.version.blockSignals(True)
        wanted = next((each for each in self._choices if each.id == self._present), self._choices[0])
        versions = [each for each in self._choices if each.profile == "engine"]
        for each in versions:
            self.version.addItem(wording.version_text(each, len(versions) == 1), _version(each))
        self.version.setCurrentIndex(max(0, self.version.findData(_version(wanted))))
        self.samgeo.setVisible(any(each.profile == "samgeo" for each in self._choices))
        self.samgeo.setChecked(wanted.profile == "samgeo")
        self.version.blockSignals(False)
        self._version_changed()

    @pyqtSlot(object)
    def _not_found(self, error: Exception) -> None:
        self._looking = None
        self._found(Device("cpu"))

    def _nothing_suits(self, text: str) -> None:
        self.message.show_text(text)
        for field in (self.version, self.samgeo, self.folder):
            field.setEnabled(False)
        self.more.setCollapsed(False)  # an existing Python is what is left
        self.changed.emit()

    def _version_changed(self) -> None:
        key = self.version.currentData()
        self.version.setToolTip(self.version.currentText())
        self.samgeo.setEnabled(any(each.profile == "samgeo" and _version(each) == key for each in self._choices))
        self._tell()

    def _tell(self) -> None:
        chosen = self.choice()
        if chosen is not None and self._device is not None:
            hint = wording.version_hint(chosen, self._device)
            self.hint.setText(hint)
            self.hint.setVisible(bool(hint))
            self.needs.setText(wording.needs_text(chosen, self._free_bytes(), self._wheels() is not None))
            warning = self.problem() or room_warning(self._folder_text(), chosen)
            self.message.show_text(warning or self._connection_note)
        self.changed.emit()


def _version(choice: Choice) -> str:
    return f"{choice.accelerator}/{choice.torch_backend or ''}"


def _label(name: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def _file(name: str, mode: QgsFileWidget.StorageMode) -> QgsFileWidget:
    field = QgsFileWidget()
    field.setObjectName(name)
    field.setStorageMode(mode)
    return field


def _form(parent: QWidget | None = None) -> QFormLayout:
    form = QFormLayout(parent)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    return form


def _row(form: QFormLayout, title: str, field: QWidget, tip: str) -> None:
    form.addRow(title, field)
    label = form.labelForField(field)
    for widget in (label, field):
        widget.setToolTip(tip)
    field.setAccessibleName(title.replace("&", ""))
    field.setAccessibleDescription(tip)
