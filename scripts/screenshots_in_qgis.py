"""The part of ``make screenshots`` that runs inside QGIS: a search in the dock, and four pictures.

Environment (set by ``screenshots.py``): MPSCLIP_PICTURES, the folder for them; the same name with _PROJECT, a project
file to write; _RASTER; _CHECKOUT, the checkout's folder; and _DOCK, the dock's width where it is another.
"""

import os
import sys
import traceback
from pathlib import Path

import processing
import qgis.utils
from qgis.core import QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QEventLoop, Qt, QTimer
from qgis.PyQt.QtWidgets import QApplication, QDockWidget, QLabel, QSplitter
from qgis.utils import iface

FOLDER = Path(os.environ["MPSCLIP_PICTURES"])
QUERY = "storage tanks"
SIZE = (1400, 900)
CHECKOUT = os.environ["MPSCLIP_PICTURES_CHECKOUT"]


def wait(seconds, condition=lambda: False, what="the time"):
    """Lets QGIS work for some seconds, or until a condition holds."""
    loop, tick, end = QEventLoop(), QTimer(), QTimer()
    tick.timeout.connect(lambda: condition() and loop.quit())
    end.setSingleShot(True)
    end.timeout.connect(loop.quit)
    tick.start(50)
    end.start(int(seconds * 1000))
    loop.exec()
    tick.stop()
    if what != "the time" and not condition():
        raise RuntimeError(f"Not within {seconds} s: {what}")


def settle():
    """Until the map is drawn."""
    wait(0.5)
    wait(60, lambda: not iface.mapCanvas().isDrawing(), "the map is drawn")
    wait(0.5)


def picture(widget, name):
    if not widget.grab().save(str(FOLDER / name)):
        raise RuntimeError(f"{name} cannot be written to {FOLDER}")


def prepare():
    """QGIS as a user has it: the scene, a saved project, the dock on the right, no browser panel."""
    window = iface.mainWindow()
    window.showNormal()
    window.setGeometry(0, 0, *SIZE)
    for panel in window.findChildren(QDockWidget):
        if panel.objectName() == "Browser":
            panel.hide()
    project = Path(os.environ["MPSCLIP_PICTURES_PROJECT"])
    project.parent.mkdir(parents=True, exist_ok=True)
    layer = QgsRasterLayer(os.environ["MPSCLIP_PICTURES_RASTER"], "drawn scene")
    QgsProject.instance().addMapLayer(layer)
    QgsProject.instance().write(str(project))
    dock = qgis.utils.plugins["qgis_mpsclip"].dock
    dock.setUserVisible(True)
    width = int(os.environ.get("MPSCLIP_PICTURES_DOCK", "420"))
    window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)
    iface.messageBar().clearWidgets()
    iface.mapCanvas().zoomToFullExtent()
    settle()
    return dock


def search(dock):
    dock.query.set_text(QUERY)
    dock.search()
    wait(600, lambda: not dock.controller.is_busy, "the search is done")
    wait(3)  # thumbnails


def take_pictures():
    dock = prepare()
    search(dock)
    settle()
    picture(iface.mainWindow(), "dock.png")

    hits = dock.results.list
    hits.setCurrentIndex(hits.model().index(0, 0))
    dock.results.command("accept")
    dock.results.command("zoom")
    iface.mapCanvas().zoomByFactor(2.2)  # with its surroundings
    settle()
    wait(2)  # the flash is over
    picture(iface.mainWindow(), "map.png")

    def options():
        dialog = QApplication.activeModalWidget()
        wait(15)  # models and devices come from the engine
        dialog.resize(1150, 760)
        dialog.findChild(QSplitter).setSizes([220, 930])
        for label in dialog.findChildren(QLabel):  # where this machine keeps its checkout is nobody's business
            label.setText(label.text().replace(CHECKOUT, "/home/me/mps-clip-qgis"))
        wait(0.5)
        picture(dialog, "options.png")
        dialog.reject()

    QTimer.singleShot(1500, options)
    qgis.utils.plugins["qgis_mpsclip"].show_options()

    dialog = processing.createAlgorithmDialog("mpsclip:searchimagery", {"QUERY": QUERY})
    dialog.resize(900, 700)
    dialog.show()
    wait(2)
    picture(dialog, "algorithm.png")
    dialog.close()


def run():
    status = 0
    try:
        take_pictures()
    except Exception:
        traceback.print_exc()
        status = 1
    try:
        qgis.utils.unloadPlugin("qgis_mpsclip")  # ends the engine
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # without QGIS's question about the changed project


# QGIS runs this file before its windows are up.
QTimer.singleShot(2000, run)
