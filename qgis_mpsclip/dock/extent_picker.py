"""The choice of where to search: everywhere, in the view, in a drawn rectangle, in selected polygons."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsMapLayer,
    QgsPointXY,
    QgsVectorLayer,
)
from qgis.gui import QgisInterface, QgsMapLayerComboBox, QgsMapTool
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QComboBox, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from qgis_mpsclip.dock.draw_extent_tool import DrawExtentTool, extent_band
from qgis_mpsclip.dock.narrow_combo import NarrowCombo
from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.icons import icon
from qgis_mpsclip.rendering.area import Area

WHOLE, VIEW, DRAWN, SELECTED = "whole", "view", "drawn", "selected"


class ExtentPicker(QWidget):
    """``changed``: another extent was chosen or drawn."""

    changed = pyqtSignal()

    def __init__(self, iface: QgisInterface, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._canvas = iface.mapCanvas()
        self._drawn: Area | None = None
        self._tool: DrawExtentTool | None = None
        self._previous_tool: QgsMapTool | None = None
        self._band = extent_band(self._canvas)
        self._counted: QgsVectorLayer | None = None

        self.combo = NarrowCombo("extent")
        self.combo.setAccessibleName(tr("Extent"))
        for text, kind in (
            (tr("Whole layer"), WHOLE),
            (tr("Current view"), VIEW),
            (tr("Drawn on the map"), DRAWN),
            (tr("Selected polygons"), SELECTED),
        ):
            self.combo.addItem(text, kind)
        self.draw = QToolButton()
        self.draw.setObjectName("draw")
        self.draw.setIcon(icon("draw-extent"))
        self.draw.setCheckable(True)
        self.draw.setAutoRaise(True)
        self.draw.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.draw.setToolTip(tr("Draw a rectangle on the map: drag, or click two corners. Esc gives up."))
        self.draw.setAccessibleName(tr("Draw a rectangle on the map"))
        self.polygons = QgsMapLayerComboBox()
        self.polygons.setObjectName("polygons")
        self.polygons.setAccessibleName(tr("Layer of the selected polygons"))
        self.polygons.setFilters(Qgis.LayerFilter.PolygonLayer)
        self.polygons.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.polygons.setMinimumContentsLength(4)
        self.note = QLabel()
        self.note.setObjectName("extent_note")
        self.note.setWordWrap(True)

        row = QHBoxLayout()
        row.addWidget(self.combo, 1)
        row.addWidget(self.draw)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.polygons)
        column.addWidget(self.note)
        self.setFocusProxy(self.combo)

        self.combo.currentIndexChanged.connect(self._kind_changed)
        self.combo.activated.connect(self._start_if_undrawn)
        self.draw.clicked.connect(self._draw_clicked)
        self.polygons.layerChanged.connect(self._count_selection)
        self._kind_changed()

    def kind(self) -> str:
        return str(self.combo.currentData())

    def set_kind(self, kind: str) -> None:
        self.combo.setCurrentIndex(self.combo.findData(kind))

    def area(self) -> Area | None:
        """What is chosen now; None: everywhere.

        Raises:
            MpsClipError: nothing was drawn or selected yet.
        """
        kind = self.kind()
        if kind == VIEW:
            settings = self._canvas.mapSettings()
            corners = [QgsPointXY(point) for point in settings.visiblePolygon()]  # turned with the map
            return Area(QgsGeometry.fromPolygonXY([corners]), settings.destinationCrs())
        if kind == DRAWN:
            if self._drawn is None:
                raise MpsClipError(
                    tr("No rectangle has been drawn yet."), tr("Draw one on the map, or choose another extent.")
                )
            return self._drawn
        return self._selected() if kind == SELECTED else None

    def set_drawn(self, rectangle: QgsGeometry, crs: QgsCoordinateReferenceSystem) -> None:
        """Take a rectangle as if the user had drawn it."""
        self._drawn = Area(rectangle, crs)
        self.set_kind(DRAWN)
        self._kind_changed()

    def stop_drawing(self) -> None:
        """Give the map back to the tool it had before."""
        tool, self._tool = self._tool, None
        if tool is not None:
            # Leaving the tool emits deactivated, which ends here again.
            if self._canvas.mapTool() is tool:
                if self._previous_tool is not None:
                    self._canvas.setMapTool(self._previous_tool)
                else:
                    self._canvas.unsetMapTool(tool)
            tool.deleteLater()
        self._previous_tool = None
        self.draw.setChecked(False)

    def clean_up(self) -> None:
        """Take away what was put on the map."""
        self.stop_drawing()
        if self._band is not None:
            self._canvas.scene().removeItem(self._band)
            self._band = None

    def _selected(self) -> Area:
        layer = self.polygons.currentLayer()
        if layer is None:
            raise MpsClipError(
                tr("There is no polygon layer in the project."), tr("Add one, or choose another extent.")
            )
        polygons = [feature.geometry() for feature in layer.getSelectedFeatures() if feature.hasGeometry()]
        if not polygons:
            raise MpsClipError(
                tr("No polygon of “{name}” is selected.").format(name=layer.name()),
                tr("Select one or several on the map, or choose another extent."),
            )
        union = QgsGeometry.unaryUnion([geometry.makeValid() for geometry in polygons])
        return Area(union, layer.crs())

    def _kind_changed(self, *_: object) -> None:
        kind = self.kind()
        self.draw.setVisible(kind == DRAWN)
        self._show_band()
        if kind != DRAWN:
            self.stop_drawing()
        self._count_selection()
        self.changed.emit()

    def _show_band(self) -> None:
        if self._band is None:
            return
        self._band.reset(Qgis.GeometryType.Polygon)
        if self.kind() == DRAWN and self._drawn is not None:
            self._band.setToGeometry(self._drawn.geometry, self._drawn.crs)

    def _count_selection(self, *_: object) -> None:
        """Say what the choice stands on; the count follows the selection."""
        layer = self.polygons.currentLayer() if self.kind() == SELECTED else None
        self._follow(layer)
        self.polygons.setVisible(layer is not None)
        self.combo.setToolTip(self.combo.currentText())
        text = ""
        if self.kind() == DRAWN and self._drawn is None:
            text = tr("Drag a rectangle on the map.")
        elif self.kind() == SELECTED and layer is None:
            text = tr("The project has no polygon layer.")
        elif layer is not None and not layer.selectedFeatureCount():
            text = tr("Select polygons on the map.")
        elif layer is not None:
            text = tr("Selected: {count}").format(count=layer.selectedFeatureCount())
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def _follow(self, layer: QgsMapLayer | None) -> None:
        if self._counted is layer:
            return
        for followed, change in ((self._counted, "disconnect"), (layer, "connect")):
            if followed is None:
                continue
            try:
                getattr(followed.selectionChanged, change)(self._count_selection)
                getattr(followed.willBeDeleted, change)(self._forget_layer)
            except (TypeError, RuntimeError):  # gone with its project
                continue
        self._counted = layer

    def _forget_layer(self) -> None:
        self._counted = None

    def _start_if_undrawn(self, _: int) -> None:
        if self.kind() == DRAWN and self._drawn is None:
            self._draw_clicked(True)

    def _draw_clicked(self, on: bool) -> None:
        if not on:
            self.stop_drawing()
            return
        self.stop_drawing()
        self._previous_tool = self._canvas.mapTool()
        self._tool = DrawExtentTool(self._canvas)
        self._tool.drawn.connect(self._rectangle_drawn)
        self._tool.givenUp.connect(self.stop_drawing)
        self._tool.deactivated.connect(self._tool_left)
        self._canvas.setMapTool(self._tool)
        self._canvas.setFocus()
        self.draw.setChecked(True)

    def _rectangle_drawn(self, rectangle: QgsGeometry) -> None:
        self.set_drawn(rectangle, self._canvas.mapSettings().destinationCrs())
        self.stop_drawing()
        self._count_selection()

    def _tool_left(self) -> None:
        """The user took another tool meanwhile: that one stays."""
        self._tool, tool = None, self._tool
        self._previous_tool = None
        if tool is not None:
            tool.deleteLater()
        self.draw.setChecked(False)
