"""Runs inside the real QGIS (``--code``): loads and unloads the plugin twice and writes down what it finds.

Everything is found from outside, through the windows and registries of QGIS, and not through the plugin.
"""

import json
import os
import sys
import traceback
from pathlib import Path

from qgis import utils
from qgis.core import QgsApplication, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QEvent, QEventLoop, QTimer
from qgis.PyQt.QtWidgets import (
    QAction,
    QApplication,
    QDialog,
    QDockWidget,
    QPlainTextEdit,
    QShortcut,
    QToolBar,
    QTreeView,
)

PLUGIN = "qgis_mpsclip"
iface = utils.iface
seen = {"unloaded": [], "loaded": [], "complaints": []}


def pump(milliseconds=200):
    """Let events run, deferred deletions too."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def wait(condition, seconds=300):
    for _ in range(seconds * 10):
        if condition():
            return
        pump(100)
    raise AssertionError("not in time")


def menu_entries(menu, path):
    entries = []
    for action in menu.actions():
        name = f"{path}{action.text().replace('&', '')}"
        if action.menu() is not None:
            entries += menu_entries(action.menu(), f"{name}/")
        elif not action.isSeparator():
            entries.append(name)
    return entries


def option_pages():
    """Titles in the options dialog, which is opened for it."""
    titles = []

    def look():
        for dialog in QApplication.topLevelWidgets():
            if isinstance(dialog, QDialog) and dialog.isVisible() and dialog.objectName() == "QgsOptionsBase":
                for tree in dialog.findChildren(QTreeView, "mOptionsTreeView"):
                    model = tree.model()
                    titles.extend(model.index(row, 0).data() for row in range(model.rowCount()))
                dialog.reject()

    QTimer.singleShot(1000, look)
    iface.showOptionsDialog(iface.mainWindow())
    return sorted(titles)


def engines():
    """Processes that this QGIS has started and that are still there."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0") for pid in children]
    return ["engine" for command in commands if "engine" in command]


def receivers():
    project, canvas = QgsProject.instance(), iface.mapCanvas()
    tree = iface.layerTreeView()
    signals = {
        "project": (project, ("layersAdded", "layersRemoved", "layerWasAdded", "crsChanged", "cleared", "readProject")),
        "canvas": (canvas, ("extentsChanged", "destinationCrsChanged", "mapToolSet", "layersChanged")),
        "tree": (tree, ("currentLayerChanged",)),
        "registry": (QgsApplication.processingRegistry(), ("providerAdded", "providerRemoved")),
    }
    return {
        f"{name}.{signal}": owner.receivers(getattr(owner, signal))
        for name, (owner, names) in signals.items()
        for signal in names
    }


def state():
    window, registry = iface.mainWindow(), QgsApplication.processingRegistry()
    return {
        "menus": sorted(menu_entries(window.menuBar(), "")),
        "toolbars": sorted(
            f"{bar.objectName()}/{action.text()}" for bar in window.findChildren(QToolBar) for action in bar.actions()
        ),
        "docks": sorted(dock.objectName() for dock in window.findChildren(QDockWidget)),
        # Without the separators, of which QGIS makes one now and then.
        "actions": sorted(action.text() for action in window.findChildren(QAction) if action.text()),
        "shortcuts": len(window.findChildren(QShortcut)) + len(window.findChildren(QDialog)),
        "providers": sorted(provider.id() for provider in registry.providers()),
        "algorithms": sorted(algorithm.id() for algorithm in registry.algorithms()),
        "options": option_pages(),
        "signals": receivers(),
        "engines": engines(),
    }


def layer_menu(layer):
    """What the plugin adds to the menu of a layer in the layer tree."""
    iface.layerTreeView().setCurrentLayer(layer)
    menu = iface.layerTreeView().menuProvider().createContextMenu()
    entries = [entry for entry in menu_entries(menu, "") if "Search" in entry]
    menu.deleteLater()
    return entries


def load():
    assert utils.loadPlugin(PLUGIN)
    assert utils.startPlugin(PLUGIN)
    pump(500)


def use():
    """As a user does: each action once, so that all that is made late is there too."""
    plugin = utils.plugins[PLUGIN]
    layer = QgsProject.instance().mapLayersByName("world")[0]
    seen["layer_menu"] = layer_menu(layer)
    plugin.search_current_layer()
    plugin.show_index_manager()
    plugin.show_about()
    plugin.show_install()
    install = iface.mainWindow().findChild(QDialog, "mpsclip_install")
    wait(lambda: "…" not in install.choice.device.text())
    seen["install"] = [install.heading.text(), install.choice.device.text()]
    about = iface.mainWindow().findChild(QDialog, "mpsclip_about")
    indexes = iface.mainWindow().findChild(QDialog, "mpsclip_index_manager")
    wait(lambda: "### Packages" in about.findChild(QPlainTextEdit).toPlainText())
    wait(lambda: "ndexes" in indexes.summary.text() and "…" not in indexes.summary.text())
    seen["about"] = about.findChild(QPlainTextEdit).toPlainText()
    seen["indexes"] = indexes.summary.text()


def unload():
    assert utils.unloadPlugin(PLUGIN)
    pump(500)


def complain(*what):
    seen["complaints"].append("".join(traceback.format_exception(*what)))


def run():
    sys.excepthook = complain
    try:
        layer = QgsRasterLayer(os.environ["DRIVER_RASTER"], "world")
        assert layer.isValid()
        QgsProject.instance().addMapLayer(layer)
        pump(500)
        seen["before"] = state()
        for _ in range(2):
            load()
            use()
            seen["loaded"].append(state())
            unload()
            seen["unloaded"].append(state())
    except BaseException:
        seen["error"] = traceback.format_exc()
    Path(os.environ["DRIVER_OUT"]).write_text(json.dumps(seen), encoding="utf-8")
    os._exit(0)  # the way out asks nothing


QTimer.singleShot(1000, run)
