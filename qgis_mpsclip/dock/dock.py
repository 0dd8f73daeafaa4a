"""The dock: fields on top, then what is being done, then what was found."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsMapLayer
from qgis.gui import QgisInterface, QgsDockWidget
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QKeyEvent, QKeySequence, QShowEvent
from qgis.PyQt.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QShortcut,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from qgis_mpsclip.client import EngineClient
from qgis_mpsclip.dock.advanced import AdvancedOptions
from qgis_mpsclip.dock.engine_notice import EngineNotice
from qgis_mpsclip.dock.extent_picker import VIEW, WHOLE, ExtentPicker
from qgis_mpsclip.dock.form import SearchForm
from qgis_mpsclip.dock.help import help_text
from qgis_mpsclip.dock.notice import Notice, NoticeBox
from qgis_mpsclip.dock.progress_row import ProgressRow
from qgis_mpsclip.dock.query_line import QueryLine
from qgis_mpsclip.dock.raster_picker import RasterPicker
from qgis_mpsclip.dock.search_controller import SearchController
from qgis_mpsclip.dock.tile_default import automatic_tile_in_words
from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.icons import icon
from qgis_mpsclip.install.session import Installation
from qgis_mpsclip.rendering.plan import has_grid
from qgis_mpsclip.rendering.sources import engine_source
from qgis_mpsclip.results import ResultsPanel
from qgis_mpsclip.results.help_box import show_help
from qgis_mpsclip.settings import Settings

_RESULT_LINES = 14


class SearchDock(QgsDockWidget):
    """Search one's own imagery in plain words."""

    def __init__(
        self,
        iface: QgisInterface,
        client: EngineClient,
        settings: Settings,
        parent: QWidget | None = None,
        installation: Installation | None = None,
    ) -> None:
        super().__init__(tr("MPS-CLIP Search"), parent or iface.mainWindow())
        self.setObjectName("mpsclip_dock")
        self._iface = iface
        self._client = client
        self._settings = settings
        self._lists_asked = False
        self._notice_kept: Notice | None = None

        self.query = QueryLine(settings)
        self.help = QToolButton()
        self.rasters = RasterPicker(iface)
        self.extent = ExtentPicker(iface)
        self.advanced = AdvancedOptions(settings)
        self.progress = ProgressRow()
        self.installation = installation or Installation(settings, client, self)
        self.engine = EngineNotice(iface, self.installation, self)
        self.notice = NoticeBox()
        self.results = ResultsPanel(iface, settings, self)
        self.controller = SearchController(iface, client, settings, self.results, self.progress, self)
        self._build()
        self._connect()
        self._rasters_changed()

    # ---- what the plugin calls

    def search_layer(self, layer: QgsMapLayer) -> None:
        """Choose a layer and wait for the query: "Search this layer"."""
        self.rasters.select_layer(layer)
        self.setUserVisible(True)
        self.query.edit.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def clean_up(self) -> None:
        """End what runs and take away what was put on the map, before the plugin goes."""
        self.controller.cancel()
        self.extent.clean_up()
        self.rasters.clean_up()
        self.results.shut_down()

    # ---- searching

    def search(self) -> None:
        """Search with what the fields say; what is missing gets the focus."""
        if self.controller.is_busy:
            self._show_notice(Notice(tr("A search is running; Esc cancels it.")))
            return
        query = self.query.text()
        if not query:
            self._show_notice(Notice(tr("Type what you are looking for, such as “tennis courts beside a road”.")))
            self.query.edit.setFocus()
            return
        selection = self.rasters.selection()
        if not selection:
            self._show_notice(self._nothing_to_search())
            self.rasters.setFocus()
            return
        try:
            form = SearchForm(
                query=query,
                rasters=selection,
                area=self.extent.area(),
                options=self.advanced.options(),
                as_displayed=self.advanced.as_displayed.isChecked(),
                resolution=self.advanced.chosen_resolution(),
                model=self.advanced.chosen_model(),
                device=self.advanced.chosen_device(),
            )
        except MpsClipError as error:
            self.controller.tell_error(error)
            return
        if self.controller.search(form):
            self.query.remember(query)

    def _rerun(self, again: dict[str, Any]) -> None:
        params = dict(again.get("params") or again)
        self.query.set_text(str(params.get("query", "")))
        layers, rendered = dict(again.get("layers") or {}), dict(again.get("rendered") or {})
        self.controller.rerun(params, layers, str(again.get("title") or ""), rendered)

    # ---- layout

    def _build(self) -> None:
        self.help.setObjectName("help")
        self.help.setIcon(icon("help"))
        self.help.setAutoRaise(True)
        self.help.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.help.setToolTip(tr("Help"))
        self.help.setAccessibleName(tr("Help"))
        top = QHBoxLayout()
        top.addWidget(self.query, 1)
        top.addWidget(self.help)
        fields = QFormLayout()
        fields.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        fields.addRow(tr("R&aster"), self.rasters)
        fields.addRow(tr("Exte&nt"), self.extent)

        content = QWidget()
        column = QVBoxLayout(content)
        side = self.fontMetrics().averageCharWidth()
        column.setContentsMargins(side, side, side, side)
        column.addLayout(top)
        column.addLayout(fields)
        for part in (self.advanced, self.progress, self.notice):
            column.addWidget(part)
        column.addWidget(self.results, 1)
        # The results keep room for a few hits; where the dock is too low for that, all of it scrolls.
        self.results.setMinimumHeight(_RESULT_LINES * self.fontMetrics().height())
        self.results.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        scroll = QScrollArea()
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        self.setWidget(scroll)
        self.setFocusProxy(self.query.edit)

    def _connect(self) -> None:
        self.query.searchRequested.connect(self.search)
        self.query.cancelRequested.connect(self.controller.cancel)
        self.query.edit.textEdited.connect(lambda: self._show_notice(None))
        self.help.clicked.connect(lambda: show_help(self, tr("Searching in plain words"), help_text()))
        self.rasters.changed.connect(self._rasters_changed)
        self.advanced.changed.connect(self._show_automatic_tile)
        self.advanced.unfolded.connect(self._ask_for_lists)
        self.controller.busyChanged.connect(self._busy_changed)
        self.controller.engineMissing.connect(self._engine_missing)
        self.engine.changed.connect(lambda: self._show_notice(self._notice_kept))
        self.installation.changed.connect(self._environment_changed)
        self.results.rerunRequested.connect(self._rerun)
        shortcut = QShortcut(QKeySequence("Ctrl+L"), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(self._go_to_query)

    # ---- following events

    def showEvent(self, event: QShowEvent) -> None:
        """See whether there is an engine, before the user types."""
        super().showEvent(event)
        self.engine.look()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc cancels, unless a widget in the dock has a use for it."""
        if event.key() == Qt.Key.Key_Escape and self.controller.is_busy:
            self.controller.cancel()
            event.accept()
            return
        super().keyPressEvent(event)

    def _go_to_query(self) -> None:
        self.query.edit.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.query.edit.selectAll()

    def _busy_changed(self, busy: bool) -> None:
        self.query.set_busy(busy)
        self._show_notice(None)

    def _engine_missing(self, text: str) -> None:
        self.engine.look()
        if not self.engine.is_missing():
            self._show_notice(Notice(text, tr("Open the options…"), self.engine.open_options))

    def _environment_changed(self) -> None:
        """Another engine has other models and devices. It is asked for them when it answers anyway, or is asked to."""
        self._lists_asked = False
        if not self.advanced.isCollapsed() and not self.engine.is_missing():
            self._ask_for_lists()

    def _rasters_changed(self) -> None:
        layers = self.rasters.selection().layers
        if self.extent.kind() == WHOLE and any(engine_source(each) is None and not has_grid(each) for each in layers):
            self.extent.set_kind(VIEW)  # the whole of a web map is the whole world
        self._show_automatic_tile()
        self._show_notice(self._notice_kept)

    def _show_notice(self, notice: Notice | None) -> None:
        """A notice, or what else there is to do first: the engine's installation, a raster for an empty project."""
        self._notice_kept = notice if notice is not None and notice != self._nothing_to_search() else None
        self.notice.show_notice(
            self._notice_kept
            or self.engine.notice()
            or (None if self.rasters.has_choice() else self._nothing_to_search())
        )

    def _nothing_to_search(self) -> Notice:
        return Notice(
            tr("There is no raster to search yet. Add an aerial or satellite image to the project, or choose files."),
            tr("Add a raster layer…"),
            self._add_raster,
        )

    def _add_raster(self) -> None:
        self._iface.actionAddRasterLayer().trigger()

    # ---- tile size, models, devices

    def _show_automatic_tile(self) -> None:
        layers, resolution = self.rasters.selection().layers, self.advanced.chosen_resolution()
        self.advanced.show_automatic_tile(automatic_tile_in_words(layers, resolution))

    def _ask_for_lists(self) -> None:
        """Models and devices, once; the engine is started for them."""
        if self._lists_asked:
            return
        self._lists_asked = True
        self._list_requests = [self._client.request(method, {}) for method in ("models.list", "status")]
        for request, slot in zip(self._list_requests, (self.advanced.set_models, self.advanced.set_status)):
            request.finished.connect(slot)
            request.failed.connect(self._lists_failed)
            request.cancelled.connect(self._forget_lists)

    def _lists_failed(self, error: MpsClipError) -> None:
        self._forget_lists()
        self._engine_missing(str(error))

    def _forget_lists(self) -> None:
        self._lists_asked = False  # asked again when it is unfolded the next time
