"""What QGIS loads: everything that the plugin puts into QGIS, and takes away again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from qgis.core import Qgis, QgsApplication, QgsRasterLayer
from qgis.PyQt.QtCore import QObject, Qt
from qgis.PyQt.QtWidgets import QAction, QMenu, QWidget

from qgis_mpsclip.client import EngineClient
from qgis_mpsclip.client.blocking import end_shared_engine
from qgis_mpsclip.documentation import leave_help, open_guide, take_help
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.icons import icon
from qgis_mpsclip.processing.provider import MpsClipProvider
from qgis_mpsclip.settings import Settings

if TYPE_CHECKING:
    from qgis.gui import QgisInterface

    from qgis_mpsclip.dock import SearchDock
    from qgis_mpsclip.install.session import Installation


class MpsClipPlugin:
    """Loaded by QGIS with its interface, by ``qgis_process`` without one, which therefore loads no windows.

    Each thing that is put into QGIS lays down at once how it is taken away; :meth:`unload` does so in reverse order.
    """

    def __init__(self, iface: QgisInterface | None) -> None:
        self.iface = iface
        self.settings = Settings()
        self.client: EngineClient | None = None
        self.dock: SearchDock | None = None
        self.installation: Installation | None = None
        self._provider: MpsClipProvider | None = None
        self._windows: dict[type[QWidget], QWidget] = {}
        self._undo = ExitStack()

    def initProcessing(self) -> None:
        """Add the algorithms; all that ``qgis_process`` needs."""
        if self._provider is not None:
            return
        self._provider = MpsClipProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)
        self._undo.callback(self._remove_provider)
        self._undo.callback(end_shared_engine)

    def initGui(self) -> None:
        """Put everything into QGIS; where that fails, nothing stays."""
        try:
            self.initProcessing()
            self._add_client()
            self._add_dock()
            self._add_options_page()
            self._add_actions()
            take_help()
            self._undo.callback(leave_help)
        except BaseException:
            self.unload()
            raise

    def unload(self) -> None:
        """Take everything away again and end the engine. The plugin can be loaded again afterwards."""
        self._undo.close()

    # ---- what is put into QGIS

    def _add_client(self) -> None:
        self.client = client = EngineClient(self.settings, self.iface.mainWindow())
        self._undo.callback(self._remove_client)
        self._undo.callback(client.shutdown)

        from qgis_mpsclip.install.background import end_all
        from qgis_mpsclip.install.session import Installation

        self._undo.callback(end_all)
        self.installation = installation = Installation(self.settings, client, self.iface.mainWindow())
        installation.requested.connect(self.show_install)
        self._undo.callback(self._remove_installation)
        self._undo.callback(installation.shut_down)

    def _add_dock(self) -> None:
        from qgis_mpsclip.dock import SearchDock

        self.dock = dock = SearchDock(self.iface, self.client, self.settings, installation=self.installation)
        self._undo.callback(self._remove_dock)
        self.iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
        self._undo.callback(self.iface.removeDockWidget, dock)
        self._undo.callback(dock.clean_up)

    def _add_options_page(self) -> None:
        from qgis_mpsclip.options_page import OptionsFactory

        factory = OptionsFactory(self.settings, self.client, self.show_index_manager, self.installation)
        self.iface.registerOptionsWidgetFactory(factory)
        self._undo.callback(self.iface.unregisterOptionsWidgetFactory, factory)

    def _add_actions(self) -> None:
        toggle = self._action("mpsclip", tr("Search Imagery in Plain Words"))
        toggle.setCheckable(True)
        self.dock.setToggleVisibilityAction(toggle)
        self.iface.addToolBarIcon(toggle)
        self._undo.callback(self.iface.removeToolBarIcon, toggle)

        menu = self._add_menu()
        menu.addAction(toggle)
        menu.addAction(self._action("index", tr("Manage Indexes…"), self.show_index_manager))
        menu.addAction(self._action("install", tr("Engine Installation…"), self.show_install))
        menu.addAction(self._action("settings", tr("Options…"), self.show_options))
        menu.addAction(self._action("help", tr("User Guide"), open_guide))
        menu.addAction(self._action("mpsclip", tr("About and Diagnostics…"), self.show_about))

        guide = self._action("help", tr("MPS-CLIP Search"), open_guide)
        self.iface.pluginHelpMenu().addAction(guide)
        self._undo.callback(self.iface.pluginHelpMenu().removeAction, guide)

        layer = self._action("search", tr("Search This Layer"), self.search_current_layer)
        self.iface.addCustomActionForLayerType(layer, "", Qgis.LayerType.Raster, True)
        self._undo.callback(self.iface.removeCustomActionForLayerType, layer)

    def _action(self, icon_name: str, text: str, triggered: Callable[[], None] | None = None) -> QAction:
        action = QAction(icon(icon_name), text, self.iface.mainWindow())
        action.setObjectName(f"mpsclip_{icon_name}")
        if triggered is not None:
            action.triggered.connect(lambda checked=False: triggered())
        self._undo.callback(_delete, action)
        return action

    def _add_menu(self) -> QMenu:
        """A menu of our own, since QGIS's one for plugins outlives its last entry."""
        parent = self.iface.rasterMenu()
        menu = QMenu(tr("MPS-CLIP Search"), parent)
        menu.setIcon(icon("mpsclip"))
        self._undo.callback(_delete, menu)
        parent.addMenu(menu)
        self._undo.callback(parent.removeAction, menu.menuAction())
        return menu

    # ---- what the actions do

    def search_current_layer(self) -> None:
        """Make the layer on which the layer tree's menu was opened the one to search."""
        layer = self.iface.layerTreeView().currentLayer()
        if isinstance(layer, QgsRasterLayer):
            self.dock.search_layer(layer)

    def show_options(self) -> None:
        """The options dialog at the plugin's page."""
        from qgis_mpsclip.options_page import PAGE

        self.iface.showOptionsDialog(self.iface.mainWindow(), PAGE)

    def show_install(self) -> None:
        """What is installed of the engine, or how far its installation is."""
        from qgis_mpsclip.install.dialog import open_dialog

        open_dialog(self.settings, self.installation, self.iface.mainWindow())

    def show_index_manager(self) -> None:
        """The indexes on disk."""
        from qgis_mpsclip.index_manager import IndexManager

        self._show(IndexManager)

    def show_about(self) -> None:
        """Versions, and the report for an issue."""
        from qgis_mpsclip.about import AboutDialog

        self._show(AboutDialog)

    def _show(self, kind: type[QWidget]) -> None:
        window = self._windows.get(kind)
        if window is None:
            window = self._windows[kind] = kind(self.settings, self.client, self.iface.mainWindow())
            self._undo.callback(self._close, kind)
        window.show()
        window.raise_()
        window.activateWindow()

    # ---- what is taken away

    def _remove_provider(self) -> None:
        QgsApplication.processingRegistry().removeProvider(self._provider)
        self._provider = None

    def _remove_client(self) -> None:
        _delete(self.client)
        self.client = None

    def _remove_installation(self) -> None:
        from qgis_mpsclip.install.dialog import close_dialogs

        close_dialogs()
        _delete(self.installation)
        self.installation = None

    def _remove_dock(self) -> None:
        self.dock.setParent(None)
        _delete(self.dock)
        self.dock = None

    def _close(self, kind: type[QWidget]) -> None:
        window = self._windows.pop(kind)
        window.close()
        window.setParent(None)
        _delete(window)


def _delete(thing: QObject) -> None:
    # Later, since the plugin may be unloaded from one of its own slots.
    thing.deleteLater()
