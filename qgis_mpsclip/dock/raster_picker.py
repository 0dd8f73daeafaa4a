"""The choice of what is searched: one layer, several, all of them, or files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qgis.core import QgsIconUtils, QgsMapLayer, QgsProject, QgsProviderRegistry, QgsRasterLayer
from qgis.gui import QgisInterface, QgsFileWidget
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from qgis_mpsclip.dock.narrow_combo import NarrowCombo
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.rendering.sources import engine_source

LAYER, SEVERAL, ALL, FILES = "layer", "several", "all", "files"
_ID = Qt.ItemDataRole.UserRole
_ROWS = 5


@dataclass
class RasterSelection:
    """What is to be searched; empty: nothing was chosen, or there is nothing to choose."""

    layers: list[QgsRasterLayer] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.layers or self.files)


class RasterPicker(QWidget):
    """Follows the project's raster layers; ``changed`` whenever the selection may be another one."""

    changed = pyqtSignal()

    def __init__(self, iface: QgisInterface, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._iface = iface
        self._checked: set[str] = set()
        self.combo = NarrowCombo("raster")
        self.combo.setAccessibleName(tr("Raster"))
        self.list = QListWidget()
        self.list.setObjectName("rasters")
        self.list.setAccessibleName(tr("Layers to search"))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.files = QgsFileWidget()
        self.files.setObjectName("files")
        self.files.setStorageMode(QgsFileWidget.StorageMode.GetMultipleFiles)
        self.files.setFilter(QgsProviderRegistry.instance().fileRasterFilters())
        self.files.setDialogTitle(tr("Rasters to search"))
        self.files.lineEdit().setPlaceholderText(tr("Files"))

        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.combo, self.list, self.files):
            column.addWidget(part)
        self.setFocusProxy(self.combo)

        self.combo.currentIndexChanged.connect(self._show_parts)
        self.list.itemChanged.connect(self._item_changed)
        self.files.fileChanged.connect(self.changed)
        for signal in _project_signals():
            signal.connect(self._layers_changed)
        self.refresh()

    def clean_up(self) -> None:
        """Follow the project no longer."""
        for signal in _project_signals():
            signal.disconnect(self._layers_changed)

    def selection(self) -> RasterSelection:
        kind, layer_id = self._current()
        layers = raster_layers()
        if kind == LAYER:
            return RasterSelection([layer for layer in layers if layer.id() == layer_id])
        if kind == SEVERAL:
            return RasterSelection([layer for layer in layers if layer.id() in self._checked])
        if kind == ALL:
            return RasterSelection(layers)
        return RasterSelection(files=[name for name in QgsFileWidget.splitFilePaths(self.files.filePath()) if name])

    def has_choice(self) -> bool:
        """Whether there is a raster layer to choose, or files were chosen."""
        return bool(self.selection()) or bool(raster_layers())

    def select_layer(self, layer: QgsMapLayer) -> None:
        """Choose one layer, as if the user had."""
        self.refresh()
        index = self.combo.findData(f"{LAYER}:{layer.id()}")
        if index >= 0:
            self.combo.setCurrentIndex(index)

    def select_files(self, names: list[str]) -> None:
        """Choose files, as if the user had."""
        self.combo.setCurrentIndex(self.combo.findData(FILES))
        self.files.setFilePath(" ".join(f'"{name}"' for name in names) if len(names) > 1 else "".join(names))

    def select_several(self, layers: list[QgsMapLayer]) -> None:
        """Check these layers and no others, as if the user had."""
        self._checked = {layer.id() for layer in layers}
        self.combo.setCurrentIndex(self.combo.findData(SEVERAL))
        self._fill_list(raster_layers())
        self.changed.emit()

    def refresh(self) -> None:
        """Take the project's layers anew; the choice stays where it can."""
        before = self.combo.currentData()
        layers = raster_layers()
        self.combo.blockSignals(True)
        self.combo.clear()
        for layer in layers:
            self.combo.addItem(QgsIconUtils.iconForLayer(layer), layer.name(), f"{LAYER}:{layer.id()}")
            self.combo.setItemData(self.combo.count() - 1, _hover_text(layer), Qt.ItemDataRole.ToolTipRole)
        if len(layers) > 1:
            self.combo.insertSeparator(self.combo.count())
            self.combo.addItem(tr("Several layers…"), SEVERAL)
            self.combo.addItem(tr("All {count} raster layers").format(count=len(layers)), ALL)
        self.combo.addItem(tr("Files…"), FILES)
        index = self.combo.findData(before)
        # Files are what remains without layers, not what was chosen: the first layer takes their place.
        keep = index >= 0 and (before != FILES or self.files.filePath() or not layers)
        self.combo.setCurrentIndex(index if keep else self._preferred())
        self.combo.blockSignals(False)
        self._checked &= {layer.id() for layer in layers}
        self._fill_list(layers)
        self._show_parts()

    def _preferred(self) -> int:
        active = self._iface.activeLayer() if self._iface is not None else None
        index = self.combo.findData(f"{LAYER}:{active.id()}") if active is not None else -1
        return max(0, index)

    def _current(self) -> tuple[str, str]:
        kind, _, layer_id = str(self.combo.currentData() or FILES).partition(":")
        return kind, layer_id

    def _fill_list(self, layers: list[QgsRasterLayer]) -> None:
        self.list.blockSignals(True)
        self.list.clear()
        for layer in layers:
            item = QListWidgetItem(QgsIconUtils.iconForLayer(layer), layer.name(), self.list)
            item.setData(_ID, layer.id())
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            checked = layer.id() in self._checked
            item.setCheckState(Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked)
        self.list.blockSignals(False)
        rows = max(1, min(_ROWS, self.list.count()))
        height = max(self.list.sizeHintForRow(0), self.list.fontMetrics().height())
        self.list.setFixedHeight(rows * height + 2 * self.list.frameWidth())

    def _item_changed(self, item: QListWidgetItem) -> None:
        change = self._checked.add if item.checkState() == Qt.CheckState.Checked else self._checked.discard
        change(item.data(_ID))
        self.changed.emit()

    def _show_parts(self) -> None:
        kind, _ = self._current()
        self.combo.setToolTip(self.combo.currentText())
        self.list.setVisible(kind == SEVERAL)
        self.files.setVisible(kind == FILES)
        self.changed.emit()

    def _layers_changed(self, *_: object) -> None:
        self.refresh()


def _hover_text(layer: QgsRasterLayer) -> str:
    """The path of a file; of others the name alone: sources of services hold passwords, and publicSource keeps some."""
    source = engine_source(layer) or ""
    return source if Path(source).is_file() else layer.name()


def _project_signals() -> list[Any]:
    project = QgsProject.instance()
    return [project.layersAdded, project.layersRemoved, project.layerTreeRoot().nameChanged]


def raster_layers() -> list[QgsRasterLayer]:
    """The project's raster layers that work, as they lie in the layer tree."""
    project = QgsProject.instance()
    order = {layer.id(): place for place, layer in enumerate(project.layerTreeRoot().layerOrder())}
    layers = [layer for layer in project.mapLayers().values() if isinstance(layer, QgsRasterLayer) and layer.isValid()]
    return sorted(layers, key=lambda layer: (order.get(layer.id(), len(order)), layer.name()))
