"""The plugin's page in QGIS's options dialog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qgis.gui import QgsAuthConfigSelect, QgsFileWidget, QgsOptionsPageWidget, QgsOptionsWidgetFactory
from qgis.PyQt.QtCore import pyqtSlot
from qgis.PyQt.QtGui import QShowEvent
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from qgis_mpsclip.about import AboutDialog
from qgis_mpsclip.client import EngineClient, PendingRequest, find_interpreter
from qgis_mpsclip.documentation import help_button
from qgis_mpsclip.errors import EngineError, EngineMissing
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.icons import icon
from qgis_mpsclip.install.engine_box import EngineBox
from qgis_mpsclip.install.session import Installation
from qgis_mpsclip.settings import LOG_LEVELS, Settings

PAGE = "mpsclip"  # the page's name for iface.showOptionsDialog
_MEGAPIXEL = 1_000_000
_ENGINE_SETTINGS = ("engine_python", "install_folder", "cache_folder", "log_level")


class OptionsFactory(QgsOptionsWidgetFactory):
    """Makes the page each time the options dialog is opened."""

    def __init__(
        self,
        settings: Settings,
        client: EngineClient,
        manage_indexes: Callable[[], None],
        installation: Installation | None = None,
    ) -> None:
        super().__init__("MPS-CLIP", icon("mpsclip"))
        self._settings = settings
        self._client = client
        self._manage_indexes = manage_indexes
        self._installation = installation or Installation(settings, client)

    def createWidget(self, parent: QWidget | None = None) -> QgsOptionsPageWidget:
        """A page with the settings as they are now."""
        return OptionsPage(self._settings, self._client, self._manage_indexes, self._installation, parent)


class OptionsPage(QgsOptionsPageWidget):
    """Asks the engine for models and devices when it is first seen, and not before: the dialog has many pages."""

    def __init__(
        self,
        settings: Settings,
        client: EngineClient,
        manage_indexes: Callable[[], None],
        installation: Installation,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._client = client
        self._manage_indexes = manage_indexes
        self._installation = installation
        self._requests: list[PendingRequest] = []
        self._asked = False
        self.setObjectName(PAGE)
        self._make_fields()
        self._lay_out()
        self._fill()

    def showEvent(self, event: QShowEvent) -> None:
        """Ask the engine once."""
        super().showEvent(event)
        if not self._asked:
            self._asked = True
            self._ask_engine()
            self._installation.changed.connect(self._environment_changed)

    def apply(self) -> None:
        """Keep what is set; the engine starts anew if it is concerned."""
        before = [getattr(self._settings, name) for name in _ENGINE_SETTINGS]
        for name, value in self._values().items():
            setattr(self._settings, name, value)
        if before != [getattr(self._settings, name) for name in _ENGINE_SETTINGS]:
            self._installation.renew()

    @pyqtSlot()
    def _environment_changed(self) -> None:
        """Something was installed or removed while the page is seen: what that has changed in the settings is shown."""
        if self._places != self._settings_of_places():
            self._fill_places()
        self._tell_interpreter()
        if not self._installation.is_running:
            self._ask_engine()

    # ---- fields

    def _make_fields(self) -> None:
        self.engine_python = _file_field("engine_python", QgsFileWidget.StorageMode.GetFile)
        self.engine_python.setFileWidgetButtonVisible(False)  # it chooses a file or a folder, not either
        self.engine_python.lineEdit().setPlaceholderText(tr("Found by itself"))
        self.engine_python.fileChanged.connect(self._tell_interpreter)
        self.engine = EngineBox(self._settings, self._installation, self._run_check)
        self.install_folder = _file_field("install_folder", QgsFileWidget.StorageMode.GetDirectory)
        self.install_folder.lineEdit().setPlaceholderText(tr("The user's folder for local data"))
        self.install_folder.setToolTip(tr("Not in a QGIS profile or the plugin's folder. All profiles may share it."))
        self.wheels_folder = _file_field("wheels_folder", QgsFileWidget.StorageMode.GetDirectory)
        self.wheels_folder.lineEdit().setPlaceholderText(tr("None: packages are downloaded"))
        self.wheels_folder.setToolTip(tr("Files of all packages, for a machine without internet."))
        self.package_index = _line("package_index", tr("The one that pip is configured for"))
        self.package_index.setToolTip(tr("Address of a mirror. Packages must have the checksums of the plugin's lock."))
        self.torch_index = _line("torch_index", tr("The project's own"))
        self.torch_index.setToolTip(tr("Address of a mirror for PyTorch alone, where its build has its own index."))
        self.interpreter = QLabel()
        self.interpreter.setWordWrap(True)
        self.interpreter.setObjectName("interpreter")
        self.cache_folder = _file_field("cache_folder", QgsFileWidget.StorageMode.GetDirectory)
        self.cache_folder.lineEdit().setPlaceholderText(tr("The user's cache folder"))
        self.results_folder = _file_field("results_folder", QgsFileWidget.StorageMode.GetDirectory)
        self.results_folder.lineEdit().setPlaceholderText(tr("Folder “mpsclip” beside the project"))
        self.default_model = _combo("default_model", tr("The packaged model"), self._settings.default_model)
        self.device = _combo("device", tr("The fastest there is"), self._settings.device)
        self.engine_state = QLabel()
        self.engine_state.setWordWrap(True)
        self.idle_minutes = _spin("idle_minutes", 0, 24 * 60, tr(" min"))
        self.idle_minutes.setSpecialValueText(tr("when QGIS ends"))
        self.idle_minutes.setToolTip(tr("A waiting engine answers at once, and keeps its models in memory."))
        self.log_level = QComboBox()
        self.log_level.setObjectName("log_level")
        for level in LOG_LEVELS:
            self.log_level.addItem(level, level)
        self.render_limit = _spin("render_limit", 1, 10_000, tr(" megapixels"))
        self.render_limit.setToolTip(tr("Larger parts of such layers (WMS, XYZ …) are refused."))
        self.llm_url = _line("llm_url", "http://localhost:11434/v1")
        self.llm_model = _line("llm_model", "")
        self.llm_authcfg = QgsAuthConfigSelect(self)
        self.llm_authcfg.setObjectName("llm_authcfg")

    def _lay_out(self) -> None:
        engine = _group(
            tr("Search engine"),
            (tr("&Python or environment"), _row(self.engine_python, self._choose_button())),
            ("", self.interpreter),
            (tr("&Model"), self.default_model),
            (tr("&Device"), self.device),
            ("", self.engine_state),
            (tr("Ends &after idle"), self.idle_minutes),
            (tr("Log &level"), self.log_level),
        )
        installation = _group(
            tr("Installation"),
            (tr("Engine's &folder"), self.install_folder),
            (tr("Folder of &wheels"), self.wheels_folder),
            (tr("Package inde&x"), self.package_index),
            (tr("PyTorch index"), self.torch_index),
        )
        folders = _group(
            tr("Folders"),
            (tr("&Indexes"), _row(self.cache_folder, self._manage_button())),
            (tr("&Results"), self.results_folder),
        )
        layers = _group(tr("Layers that are not files"), (tr("Render at m&ost"), self.render_limit))
        note = QLabel(
            tr(
                "The keywords of a query are found by rules on this machine. A language model with an OpenAI-compatible"
                " address can do so instead; it gets the query, never imagery."
            )
        )
        note.setWordWrap(True)
        keywords = _group(
            tr("Keywords by a language model"),
            ("", note),
            (tr("&Address"), self.llm_url),
            (tr("Model &name"), self.llm_model),
            (tr("&Key"), self.llm_authcfg),
        )
        content = QWidget()
        column = QVBoxLayout(content)
        for group in (self.engine, engine, folders, layers, keywords, installation):
            column.addWidget(group)
        last = QHBoxLayout()
        last.addStretch()
        last.addWidget(help_button("options", self))
        column.addLayout(last)
        column.addStretch()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)

    def _choose_button(self) -> QToolButton:
        menu = QMenu(self)
        menu.addAction(tr("Python &Executable…"), self._choose_python).setObjectName("choose_python")
        menu.addAction(tr("&Folder of the Environment…"), self._choose_environment).setObjectName("choose_environment")
        button = QToolButton()
        button.setObjectName("choose_engine")
        button.setText("…")
        button.setToolTip(tr("Browse"))
        button.setAccessibleName(tr("Browse for the Python or environment"))
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setMenu(menu)
        return button

    def _choose_python(self) -> None:
        title = tr("Python of the search engine")
        self._take(QFileDialog.getOpenFileName(self, title, self.engine_python.filePath())[0])

    def _choose_environment(self) -> None:
        title = tr("Folder of the search engine's environment")
        self._take(QFileDialog.getExistingDirectory(self, title, self.engine_python.filePath()))

    def _take(self, path: str) -> None:
        if path:
            self.engine_python.setFilePath(path)

    def _manage_button(self) -> QPushButton:
        self.manage = QPushButton(tr("Mana&ge…"))
        self.manage.clicked.connect(lambda: self._manage_indexes())
        return self.manage

    def _fill(self) -> None:
        settings = self._settings
        self._fill_places()
        self.wheels_folder.setFilePath(settings.wheels_folder)
        self.package_index.setText(settings.package_index)
        self.torch_index.setText(settings.torch_index)
        self.cache_folder.setFilePath(settings.cache_folder)
        self.results_folder.setFilePath(settings.results_folder)
        self.idle_minutes.setValue(settings.idle_minutes)
        self.log_level.setCurrentIndex(max(0, self.log_level.findData(settings.log_level)))
        self.render_limit.setValue(round(settings.render_limit_pixels / _MEGAPIXEL))
        self.llm_url.setText(settings.llm_url)
        self.llm_model.setText(settings.llm_model)
        self.llm_authcfg.setConfigId(settings.llm_authcfg)
        self._tell_interpreter()

    def _fill_places(self) -> None:
        self._places = python, folder = self._settings_of_places()
        self.engine_python.setFilePath(python)
        self.install_folder.setFilePath(folder)

    def _settings_of_places(self) -> tuple[str, str]:
        return self._settings.engine_python, self._settings.install_folder

    def _values(self) -> dict[str, Any]:
        return {
            "engine_python": self.engine_python.filePath().strip(),
            "install_folder": self.install_folder.filePath().strip(),
            "wheels_folder": self.wheels_folder.filePath().strip(),
            "package_index": self.package_index.text().strip(),
            "torch_index": self.torch_index.text().strip(),
            "cache_folder": self.cache_folder.filePath().strip(),
            "results_folder": self.results_folder.filePath().strip(),
            "default_model": self.default_model.currentData(),
            "device": self.device.currentData(),
            "idle_minutes": self.idle_minutes.value(),
            "log_level": self.log_level.currentData(),
            "render_limit_pixels": self.render_limit.value() * _MEGAPIXEL,
            "llm_url": self.llm_url.text().strip(),
            "llm_model": self.llm_model.text().strip(),
            "llm_authcfg": self.llm_authcfg.configId(),
        }

    # ---- what the engine says

    def _run_check(self) -> None:
        self._checking = dialog = AboutDialog(self._settings, self._client, self)
        dialog.setModal(True)
        dialog.show()
        dialog.run_check()

    def _ask_engine(self) -> None:
        self._ask("models.list", self._show_models)
        self._ask("status", self._show_devices)

    def _tell_interpreter(self) -> None:
        try:
            found = find_interpreter(_Chosen(self.engine_python.filePath(), self.install_folder.filePath()))
            self.interpreter.setText(tr("Used: {python}").format(python=found.python))
        except EngineMissing as error:
            self.interpreter.setText(str(error))

    def _ask(self, method: str, then: Callable[[dict[str, Any]], None]) -> None:
        self.engine_state.setText(tr("Asking the search engine…"))
        request = self._client.request(method, {})
        request.finished.connect(then)
        request.failed.connect(self._show_error)
        self._requests.append(request)

    def _show_models(self, answer: dict[str, Any]) -> None:
        for model in answer.get("models", []):
            note = "" if model.get("file") else tr(" (to be fetched)")
            _offer(self.default_model, model["id"], f"{model.get('title') or model['id']}{note}")

    def _show_devices(self, status: dict[str, Any]) -> None:
        for device in status.get("devices", []):
            _offer(self.device, device["id"], f"{device['id']} – {device['name']}")
        self.engine_state.setText(tr("Engine {version} works.").format(version=status.get("engine", "?")))

    def _show_error(self, error: EngineError) -> None:
        self.engine_state.setText(f"{error.problem} {error.remedy}".strip())


class _Chosen:
    """What is in the fields and not applied yet, in place of the settings."""

    def __init__(self, engine_python: str, install_folder: str) -> None:
        self.engine_python = engine_python
        self.install_folder = install_folder


def _file_field(name: str, mode: QgsFileWidget.StorageMode) -> QgsFileWidget:
    field = QgsFileWidget()
    field.setObjectName(name)
    field.setStorageMode(mode)
    field.lineEdit().setShowClearButton(True)
    return field


def _line(name: str, placeholder: str) -> QLineEdit:
    line = QLineEdit()
    line.setObjectName(name)
    line.setPlaceholderText(placeholder)
    return line


def _row(field: QWidget, button: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(field, 1)
    layout.addWidget(button)
    row.setFocusProxy(field)
    return row


def _combo(name: str, nothing: str, current: str) -> QComboBox:
    """A list that holds the choice of nothing and the current one, until the engine says what else there is."""
    combo = QComboBox()
    combo.setObjectName(name)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(24)
    combo.addItem(nothing, "")
    if current:
        combo.addItem(current, current)
        combo.setCurrentIndex(1)
    return combo


def _offer(combo: QComboBox, value: str, text: str) -> None:
    known = combo.findData(value)
    if known < 0:
        combo.addItem(text, value)
    else:
        combo.setItemText(known, text)


def _spin(name: str, low: int, high: int, unit: str) -> QSpinBox:
    spin = QSpinBox()
    spin.setObjectName(name)
    spin.setRange(low, high)
    spin.setSuffix(unit)
    return spin


def _group(title: str, *rows: tuple[str, QWidget]) -> QGroupBox:
    group = QGroupBox(title)
    form = QFormLayout(group)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    for label, field in rows:
        if label:
            form.addRow(label, field)
        else:
            form.addRow(field)
    return group
