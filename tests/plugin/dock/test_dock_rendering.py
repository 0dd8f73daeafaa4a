"""Layers that are no files are rendered first: web maps, and what QGIS alone reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from osgeo import gdal
from qgis.core import (
    QgsGeometry,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
)
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QMessageBox, QPushButton

from qgis_mpsclip.dock import SearchDock
from qgis_mpsclip.rendering.area import Area
from tests.plugin.dock.driving import (
    finish,
    hits_layer,
    messages,
    search,
    type_and_enter,
)
from tests.plugin.support.http_server import png, serving


class SceneTiles(ThreadingHTTPServer):
    """A real XYZ service whose imagery is a raster."""

    daemon_threads = True
    delay = 0.0

    def __init__(self, raster: Path) -> None:
        super().__init__(("127.0.0.1", 0), _TileHandler)
        self.raster = raster
        self.lock = threading.Lock()


class _TileHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        z, x, y = (int(part) for part in self.path.removesuffix(".png").split("/")[1:])
        side = 2 * 20037508.342789244 / 2**z
        left, top = x * side - 20037508.342789244, 20037508.342789244 - y * side
        time.sleep(self.server.delay)
        with self.server.lock:
            tile = gdal.Warp(
                "",
                str(self.server.raster),
                format="MEM",
                dstSRS="EPSG:3857",
                outputBounds=(left, top - side, left + side, top),
                width=256,
                height=256,
                dstAlpha=True,
            )
            content = png(tile)
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def tiles(scene_raster: Path) -> Iterator[SceneTiles]:
    server = SceneTiles(scene_raster)
    with serving(server):
        yield server


@pytest.fixture
def web_map(tiles: SceneTiles, dock: SearchDock) -> QgsRasterLayer:
    uri = f"type=xyz&url=http://127.0.0.1:{tiles.server_port}/{{z}}/{{x}}/{{y}}.png&zmin=0&zmax=19&crs=EPSG:3857"
    layer = QgsRasterLayer(uri, "web map", "wms")
    assert layer.isValid()
    QgsProject.instance().addMapLayer(layer)
    return layer


def test_a_web_map_is_rendered_and_searched(
    dock: SearchDock, web_map: QgsRasterLayer, scene_layer: QgsRasterLayer
) -> None:
    area = Area(QgsGeometry.fromRect(scene_layer.extent()), scene_layer.crs())
    dock.extent.set_drawn(area.geometry, area.crs)
    hits = search(dock, "storage tanks")
    assert hits_layer().crs().authid() == "EPSG:3857"
    frame = area.within(web_map.crs()).geometry.boundingBox()
    assert frame.buffered(2).contains(hits_layer().extent())
    picture = gdal.Open(hits[0].raster)
    # 512 m of ground at 1 m a pixel; the drawn rectangle is turned a little against the web map.
    assert picture.RasterXSize == pytest.approx(515, abs=15)
    assert list(dock.results._search.layers.values()) == [web_map.id()]


def test_rendering_is_cancelled_too(dock: SearchDock, web_map: QgsRasterLayer, tiles: SceneTiles, wait_until) -> None:
    tiles.delay = 0.2
    dock.extent.set_drawn(QgsGeometry.fromRect(QgsRectangle(0, 0, 4000, 4000)), web_map.crs())
    type_and_enter(dock, "trees")
    assert dock.progress.label.text() == "Rendering “web map”"
    QTest.qWait(500)
    QTest.keyClick(dock.query.edit, Qt.Key.Key_Escape)
    finish(dock, 120)
    assert list(QgsProject.instance().mapLayers().values()) == [web_map]
    assert "cancelled" in messages(dock)


def test_a_closed_project_ends_rendering_too(
    dock: SearchDock, web_map: QgsRasterLayer, tiles: SceneTiles, scene_layer: QgsRasterLayer
) -> None:
    tiles.delay = 0.2
    dock.extent.set_drawn(QgsGeometry.fromRect(QgsRectangle(0, 0, 4000, 4000)), web_map.crs())
    type_and_enter(dock, "trees")
    QTest.qWait(500)
    QgsProject.instance().clear()
    QgsProject.instance().addMapLayer(scene_layer)
    finish(dock, 120)
    assert "cancelled because its project was closed" in messages(dock)
    assert list(QgsProject.instance().mapLayers().values()) == [scene_layer]


def test_too_much_to_render_is_refused_and_much_is_asked_for(
    dock: SearchDock, web_map: QgsRasterLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dock.extent.kind() == "view", "the whole of a web map is too much"
    dock.extent.set_kind("whole")
    type_and_enter(dock, "trees")
    assert "million pixels; the limit is 100." in messages(dock)
    assert not dock.controller.is_busy
    metres = 6000
    dock.extent.set_drawn(QgsGeometry.fromRect(QgsRectangle(0, 0, metres, metres)), web_map.crs())
    asked = []

    def refuse() -> None:
        box = QApplication.activeModalWidget()
        asked.append(box.text())
        QTest.mouseClick(box.button(QMessageBox.StandardButton.Cancel), Qt.MouseButton.LeftButton)

    QTimer.singleShot(200, refuse)
    type_and_enter(dock, "trees")
    assert "36 million pixels" in asked[0]
    assert not dock.controller.is_busy


def test_a_file_that_only_qgis_reads_can_be_rendered(
    dock: SearchDock, scene: QgsRasterLayer, wait_until, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A name that QGIS's process resolves, and the engine's does not.
    hidden = f"/vsimem/{tmp_path.name}.tif"
    gdal.Translate(hidden, scene.source(), width=512)
    layer = QgsRasterLayer(hidden, "hidden")
    assert layer.isValid()
    QgsProject.instance().addMapLayer(layer)
    dock.rasters.select_layer(layer)
    type_and_enter(dock, "trees")
    finish(dock)
    item = dock._iface.messageBar().currentItem()
    assert "QGIS can render the layer instead." in item.text()
    button = next(each for each in item.findChildren(QPushButton) if each.text() == "Render and search")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    finish(dock)
    assert hits_layer().featureCount() == len(dock.results.model.hits()) > 0
    gdal.Unlink(hidden)
