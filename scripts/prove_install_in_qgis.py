"""The part of ``make prove-install`` that runs inside QGIS: clicks, waits, takes pictures, and writes what it found.

Environment (set by ``prove_install.py``): PROOF_FOLDER, where pictures and ``found.json`` go; the same name with
_QUERY, what to type; _RASTER, what to search, or empty; _DRAW and _SCENE_SIZE, the code that draws a scene; _LIMIT,
seconds for the installation; _STARTED, when QGIS was started, seconds since 1970.
"""

import json
import os
import re
import subprocess
import time
import traceback
from pathlib import Path

import qgis.utils
from qgis.core import QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QEventLoop, Qt, QTimer
from qgis.PyQt.QtGui import QImage, QPainter, QPen
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QDialog, QDockWidget, QPushButton
from qgis.utils import iface

PLUGIN = "qgis_mpsclip"
FOLDER = Path(os.environ["PROOF_FOLDER"])
QUERY = os.environ["PROOF_QUERY"]
LIMIT = float(os.environ["PROOF_LIMIT"])
SIZE = (1400, 880)
PICTURE_SECONDS = 2.0
LATE_PERCENT = 60
seen = {"seconds": {}, "pictures": []}


def wait(seconds, condition=None, what=""):
    """Lets QGIS work for some seconds, or until a condition holds; the seconds it took."""
    start = time.monotonic()
    loop, tick, end = QEventLoop(), QTimer(), QTimer()
    tick.timeout.connect(lambda: condition is not None and condition() and loop.quit())
    end.setSingleShot(True)
    end.timeout.connect(loop.quit)
    tick.start(50)
    end.start(int(seconds * 1000))
    loop.exec()
    tick.stop()
    if condition is not None and not condition():
        picture("failed")
        raise RuntimeError(f"not within {seconds:g} s: {what}")
    return time.monotonic() - start


def step(name, seconds):
    seen["seconds"][name] = round(seconds, 1)


def picture(name):
    """The whole screen, as a user sees it."""
    shot = iface.mainWindow().screen().grabWindow(0, 0, 0, *SIZE)
    if dialog() is not None:  # without a window manager it has no frame
        painter = QPainter(shot)
        painter.setPen(QPen(Qt.GlobalColor.darkGray, 2))
        painter.drawRect(dialog().geometry())
        painter.end()
    image = shot.toImage()
    file = f"{len(seen['pictures']) + 1}-{name}.png"
    if not image.convertToFormat(QImage.Format.Format_RGB888).save(str(FOLDER / file), "PNG", 0):
        raise RuntimeError(f"{file} cannot be written to {FOLDER}")
    seen["pictures"].append(file)


def settle():
    """Until the map is drawn."""
    wait(0.5)
    wait(60, lambda: not iface.mapCanvas().isDrawing(), "the map is drawn")
    wait(0.5)


def button(parent, name):
    return parent.findChild(QPushButton, name)


def is_clickable(widget):
    return widget is not None and widget.isVisible() and widget.isEnabled()


def click(widget):
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


def dialog():
    """The window of the installation; None while there is none."""
    windows = (each for each in QApplication.topLevelWidgets() if isinstance(each, QDialog) and each.isVisible())
    return next((each for each in windows if each.objectName() == "mpsclip_install"), None)


def open_dock():
    window = iface.mainWindow()
    window.showNormal()
    window.setGeometry(0, 0, *SIZE)
    for panel in window.findChildren(QDockWidget):
        if panel.objectName() == "Browser":
            panel.hide()
    iface.messageBar().clearWidgets()
    dock = window.findChild(QDockWidget, "mpsclip_dock")
    dock.setUserVisible(True)
    window.resizeDocks([dock], [420], Qt.Orientation.Horizontal)
    settle()
    wait(60, lambda: is_clickable(button(dock, "notice_action")), "the dock offers to install the engine")
    step("QGIS started, dock open", time.time() - float(os.environ["PROOF_STARTED"]))
    seen["notice"] = dock.notice.label.text()
    seen["button"] = button(dock, "notice_action").text()
    picture("notice")
    return dock


def install(dock):
    click(button(dock, "notice_action"))
    wait(30, lambda: dialog() is not None, "the dialog is there")
    window = dialog()
    step("GPU looked for", wait(60, lambda: is_clickable(button(window, "install")), "Install can be clicked"))
    place(window)
    wait(1)
    for field in ("device", "needs"):
        seen[field] = getattr(window.choice, field).text()
    seen["version"] = window.choice.version.currentText()
    picture("dialog")
    click(button(window, "install"))
    follow(window, qgis.utils.plugins[PLUGIN].installation)


def place(window):
    """In the middle of QGIS: a screen without a window manager puts it into the corner."""
    middle = iface.mainWindow().geometry().center()
    window.move(middle.x() - window.width() // 2, middle.y() - window.height() // 2)


def follow(window, installation):
    """Until the installation is over, with a picture of each step that takes its time."""
    pictured, end = set(), time.monotonic() + LIMIT
    while installation.is_running:
        if time.monotonic() > end:
            picture("failed")
            raise RuntimeError(f"the installation did not end within {LIMIT:g} s")
        wait(0.2)
        course = installation.course
        current = course.latest.step if course and course.latest else ""
        if current and current not in pictured and course.seconds(current) > PICTURE_SECONDS:
            pictured.add(current)
            picture(f"running-{current}")
        if course and course.percent() >= LATE_PERCENT and "late" not in pictured:
            pictured.add("late")
            picture("running-late")
    course = installation.course
    for name in course.steps:
        step(f"install: {name}", course.seconds(name))
    step("install: all", course.seconds())
    seen["log"] = Path(installation.log_file).name
    if installation.installed is None:
        picture("failed")
        seen["log_end"] = Path(installation.log_file).read_text(encoding="utf-8", errors="replace")[-3000:]
        raise RuntimeError(f"the installation failed: {installation.error}")
    wait(1)
    picture("ready")
    seen["check"] = installation.check_text
    seen["environment_bytes"] = size(installation.installed.folder)
    seen["python"] = str(installation.installed.python)
    click(window.buttons.button(window.buttons.StandardButton.Close))
    wait(0.5)


def size(folder):
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_symlink())


def scene():
    """The raster to search: the one handed in, else one that the new engine draws."""
    if os.environ["PROOF_RASTER"]:
        return os.environ["PROOF_RASTER"]
    from qgis_mpsclip.client.environment import engine_environment
    from qgis_mpsclip.client.interpreter import find_interpreter

    found = find_interpreter()
    seen["origin"] = found.origin
    command = [str(found.python), "-c", os.environ["PROOF_DRAW"], str(FOLDER / "scene"), os.environ["PROOF_SCENE_SIZE"]]
    start = time.monotonic()
    done = subprocess.run(command, cwd=found.cwd, env=engine_environment(), capture_output=True, text=True)
    step("scene drawn by the new engine", time.monotonic() - start)
    if done.returncode:
        raise RuntimeError(f"the scene could not be drawn: {done.stderr[-1500:]}")
    return done.stdout.strip()


def search(dock, raster):
    layer = QgsRasterLayer(raster, "drawn scene")
    QgsProject.instance().addMapLayer(layer)
    iface.mapCanvas().zoomToFullExtent()
    settle()
    seen["notice_after"] = dock.notice.isVisible()
    hits = dock.results.list
    for name in ("first search", "second search"):
        dock.query.edit.setFocus()
        dock.query.edit.clear()
        QTest.keyClicks(dock.query.edit, QUERY)
        start = time.monotonic()
        QTest.keyClick(dock.query.edit, Qt.Key.Key_Return)
        wait(10, lambda: dock.controller.is_busy, "the search has begun")
        wait(LIMIT, lambda: not dock.controller.is_busy, "the search is done")
        step(name, time.monotonic() - start)
        layers = [each for each in QgsProject.instance().mapLayers().values() if re.match("hits", each.name())]
        if not layers or not hits.model().rowCount():
            picture("failed")
            raise RuntimeError(f"no hits: layers {[each.name() for each in layers]}")
    wait(3)  # thumbnails
    settle()
    seen["hits"] = hits.model().rowCount()
    seen["hit_layers"] = sorted(f"{each.name()}: {each.featureCount()}" for each in layers)
    picture("hits")


def run():
    try:
        dock = open_dock()
        install(dock)
        search(dock, scene())
        seen["unloaded"] = qgis.utils.unloadPlugin(PLUGIN)
    except Exception:
        seen["error"] = traceback.format_exc()
    part = FOLDER / "found.part"
    part.write_text(json.dumps(seen, indent=1, ensure_ascii=False), encoding="utf-8")
    part.replace(FOLDER / "found.json")
    os._exit(0)  # without QGIS's question about the changed project


# QGIS runs this file before its windows are up.
QTimer.singleShot(2000, run)
