"""The dock, driven by simulated keys and clicks, with the real engine."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from osgeo import gdal
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsFeature,
    QgsGeometry,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.gui import QgsMessageBar
from qgis.PyQt.QtCore import QPoint, Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication

from qgis_mpsclip.client import EngineClient
from qgis_mpsclip.client.blocking import end_shared_engine
from qgis_mpsclip.dock import SearchDock
from qgis_mpsclip.processing.buildindex import BuildIndex
from qgis_mpsclip.settings import Settings
from tests.plugin.dock.driving import (
    SEARCH_SECONDS,
    finish,
    hits_layer,
    messages,
    result_layers,
    search,
    type_and_enter,
)


def slow_search(dock: SearchDock, wait_until) -> None:
    """Thousands of tiles, so that it is still being indexed when the first progress comes."""
    dock.advanced.unit.setCurrentIndex(dock.advanced.unit.findData("px"))
    dock.advanced.side.setValue(64)
    dock.advanced.overlap.setValue(90)
    type_and_enter(dock, "storage tanks")
    wait_until(lambda: dock.progress.label.text().startswith("Looking at tiles"), SEARCH_SECONDS, "the first tiles")


def engine_processes() -> list[int]:
    """Child processes of this one that run the engine."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if fields[1] == str(os.getpid()) and b"serve" in command and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def test_a_typed_query_brings_hits_and_the_first_before_they_are_refined(
    dock: SearchDock, scene: QgsRasterLayer, wait_until, tmp_path: Path
) -> None:
    type_and_enter(dock, "storage tanks")
    assert dock.controller.is_busy
    assert dock.query.button.text() == "Cancel"
    wait_until(lambda: dock.results.model.rowCount() > 0, SEARCH_SECONDS, "the shortlist")
    assert dock.controller.is_busy, "hits appear while the search goes on"
    assert not any(hit.refined for hit in dock.results.model.hits())
    finish(dock)
    hits = dock.results.model.hits()
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert sum(hit.refined for hit in hits) == 3
    assert dock.query.button.text() == "Search"
    assert not dock.progress.isVisible()
    assert f"{len(hits)} hits for “storage tanks” among 36 tiles" in messages(dock)
    assert Settings().history == ["storage tanks"]
    layer = hits_layer()
    assert layer.featureCount() == len(hits)
    assert Path(layer.source().partition("|")[0]).parent == tmp_path / "results"
    assert scene.extent().buffered(1).contains(layer.extent())


def test_esc_cancels_and_adds_nothing_before_the_first_hit(
    dock: SearchDock, scene: QgsRasterLayer, wait_until, tmp_path: Path
) -> None:
    slow_search(dock, wait_until)
    assert "tiles/s" in dock.progress.label.text() or " of " in dock.progress.label.text()
    QTest.keyClick(dock.query.edit, Qt.Key.Key_Escape)
    finish(dock, 120)
    assert list(QgsProject.instance().mapLayers().values()) == [scene]
    assert not list((tmp_path / "results").glob("*"))
    assert "cancelled" in messages(dock)


@pytest.mark.parametrize("after", ["the first tiles", "the first hits"])
def test_another_project_cancels_the_search_and_gets_nothing_of_it(
    dock: SearchDock, scene: QgsRasterLayer, wait_until, tmp_path: Path, after: str
) -> None:
    project = QgsProject.instance()
    other = tmp_path / "other.qgz"
    assert project.write(str(other))
    if after == "the first tiles":
        slow_search(dock, wait_until)
    else:
        dock.advanced.refine.setValue(36)
        type_and_enter(dock, "parked cars beside a road")
        wait_until(lambda: dock.results.model.rowCount() > 0, SEARCH_SECONDS, "the shortlist")
    assert dock.controller.is_busy
    assert project.read(str(other))
    finish(dock, 120)
    assert "cancelled because its project was closed" in messages(dock)
    assert " hits for " not in messages(dock)
    assert [layer.name() for layer in project.mapLayers().values()] == ["scene"]
    assert [node.name() for node in project.layerTreeRoot().children()] == ["scene"]
    assert dock.results.history.entries() == []
    assert dock.results.model.rowCount() == 0
    dock.advanced.unit.setCurrentIndex(0)
    dock.advanced.overlap.setValue(25)
    dock.advanced.refine.setValue(3)
    search(dock)


def test_an_engine_that_is_killed_is_reported_and_the_next_search_works(
    dock: SearchDock, scene: QgsRasterLayer, wait_until
) -> None:
    slow_search(dock, wait_until)
    wait_until(lambda: len(engine_processes()) == 1, 60, "the end of an engine of other tests")
    (pid,) = engine_processes()
    os.kill(pid, signal.SIGKILL)
    finish(dock, 120)
    assert "engine" in messages(dock).lower()
    assert list(QgsProject.instance().mapLayers().values()) == [scene]
    dock.advanced.unit.setCurrentIndex(0)
    dock.advanced.overlap.setValue(25)
    search(dock)


def test_selected_polygons_bound_the_search(dock: SearchDock, scene: QgsRasterLayer) -> None:
    polygons = QgsVectorLayer("Polygon?crs=EPSG:4326", "parcels", "memory")
    to_degrees = QgsCoordinateTransform(scene.crs(), polygons.crs(), QgsProject.instance())
    extent = scene.extent()
    corner = QgsGeometry.fromRect(
        QgsRectangle(extent.xMinimum(), extent.yMaximum() - 100, extent.xMinimum() + 100, extent.yMaximum())
    )
    for geometry in (corner, QgsGeometry.fromRect(extent)):
        feature = QgsFeature()
        shape = QgsGeometry(geometry)
        shape.transform(to_degrees)
        feature.setGeometry(shape)
        polygons.dataProvider().addFeature(feature)
    QgsProject.instance().addMapLayer(polygons)
    dock.extent.set_kind("selected")
    type_and_enter(dock, "trees")
    assert not dock.controller.is_busy
    assert "No polygon of “parcels” is selected" in messages(dock)
    polygons.select(1)
    assert dock.extent.note.text() == "Selected: 1"
    hits = search(dock, "trees")
    assert 1 <= len(hits) <= 4
    assert all(hit.geometry.intersects(corner) for hit in hits)


def test_a_raster_without_a_crs_is_searched_where_it_is_drawn(
    dock: SearchDock, scene_raster: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.tif"
    gdal.Translate(str(bare), str(scene_raster), width=512)
    data = gdal.Open(str(bare), gdal.GA_Update)
    data.SetProjection("")
    data = None
    layer = QgsRasterLayer(str(bare), "bare")
    layer.setCrs(QgsCoordinateReferenceSystem())
    QgsProject.instance().setCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
    QgsProject.instance().addMapLayer(layer)
    extent = layer.extent()
    part = QgsRectangle(extent.xMinimum(), extent.yMinimum(), extent.center().x() - 120, extent.center().y() - 120)
    dock.extent.set_drawn(QgsGeometry.fromRect(part), QgsProject.instance().crs())
    hits = search(dock, "trees")
    assert all(hit.geometry.boundingBox().intersects(part) for hit in hits)
    # As the raster's own: what QGIS draws where its numbers say, whatever the project's CRS.
    assert result_layers() and not any(each.crs().isValid() for each in result_layers())
    assert extent.buffered(1).contains(hits_layer().extent())


def test_a_crs_given_in_qgis_holds_for_the_hits(dock: SearchDock, scene: QgsRasterLayer) -> None:
    scene.setCrs(QgsCoordinateReferenceSystem("EPSG:32633"))
    hits = search(dock, "trees")
    assert hits_layer().crs().authid() == "EPSG:32633"
    assert hits[0].raster.endswith(".vrt")


def test_two_rasters_of_different_crs_are_searched_together(
    dock: SearchDock, scene: QgsRasterLayer, scene_raster: Path, tmp_path: Path
) -> None:
    other = tmp_path / "degrees.tif"
    gdal.Warp(str(other), str(scene_raster), dstSRS="EPSG:4326", width=600, height=600)
    data = gdal.Open(str(other), gdal.GA_Update)
    left, *rest = data.GetGeoTransform()
    data.SetGeoTransform((left + 0.02, *rest))  # somewhere else, or the two would hide each other's hits
    data = None
    layer = QgsRasterLayer(str(other), "degrees")
    QgsProject.instance().addMapLayer(layer)
    dock.rasters.combo.setCurrentIndex(dock.rasters.combo.findData("all"))
    dock.advanced.top.setValue(100)
    hits = search(dock, "trees")
    assert hits_layer().crs().authid() == "EPSG:4326"
    assert {Path(hit.raster) for hit in hits} == {scene_raster.resolve(), other.resolve()}
    to_degrees = QgsCoordinateTransform(scene.crs(), hits_layer().crs(), QgsProject.instance())
    for hit in hits:
        frame = layer.extent() if Path(hit.raster) == other else to_degrees.transformBoundingBox(scene.extent())
        assert frame.buffered(1e-5).contains(hit.geometry.boundingBox())


def test_the_current_view_bounds_the_search_in_another_project_crs(
    dock: SearchDock, scene: QgsRasterLayer, qgis_canvas
) -> None:
    mercator = QgsCoordinateReferenceSystem("EPSG:3857")
    QgsProject.instance().setCrs(mercator)
    qgis_canvas.setDestinationCrs(mercator)
    extent = scene.extent()
    quarter = QgsRectangle(extent.xMinimum(), extent.yMinimum(), extent.center().x() - 100, extent.center().y() - 100)
    transform = QgsCoordinateTransform(scene.crs(), mercator, QgsProject.instance())
    qgis_canvas.setExtent(transform.transformBoundingBox(quarter))
    dock.extent.set_kind("view")
    view = dock.extent.area().within(scene.crs()).geometry
    hits = search(dock, "trees")
    assert hits_layer().crs().authid() == "EPSG:32632"
    assert 0 < len(hits) < 30
    assert all(hit.geometry.intersects(view) for hit in hits)


def test_a_rectangle_is_drawn_on_the_canvas(dock: SearchDock, scene: QgsRasterLayer, qgis_canvas) -> None:
    qgis_canvas.setDestinationCrs(scene.crs())
    qgis_canvas.setExtent(scene.extent())
    qgis_canvas.show()
    before = qgis_canvas.mapTool()
    dock.extent.combo.setCurrentIndex(dock.extent.combo.findData("drawn"))
    assert dock.extent.note.text() == "Drag a rectangle on the map."
    QTest.mouseClick(dock.extent.draw, Qt.MouseButton.LeftButton)
    viewport = qgis_canvas.viewport()
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=QPoint(300, 300))
    QTest.mouseMove(viewport, QPoint(400, 420))
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=QPoint(500, 450))
    assert qgis_canvas.mapTool() is before
    assert not dock.extent.draw.isChecked()
    area = dock.extent.area()
    expected = [qgis_canvas.getCoordinateTransform().toMapCoordinates(x, y) for x, y in ((300, 300), (500, 450))]
    assert area.geometry.boundingBox() == QgsRectangle(expected[0], expected[1])
    assert area.crs == scene.crs()

    QTest.mouseClick(dock.extent.draw, Qt.MouseButton.LeftButton)
    assert dock.extent.draw.isChecked()
    QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=QPoint(10, 10))
    QTest.keyClick(qgis_canvas, Qt.Key.Key_Escape)
    assert qgis_canvas.mapTool() is before
    assert dock.extent.area() == area, "what was drawn before stays"


def test_earlier_queries_complete_what_is_typed(dock: SearchDock, scene: QgsRasterLayer, wait_until) -> None:
    for query in ("tennis courts beside a road", "storage tanks"):
        dock.query.remember(query)
    QTest.keyClick(dock.query.edit, Qt.Key.Key_Down)
    popup = dock.query.edit.completer().popup()
    wait_until(popup.isVisible, 30, "the history")
    assert [popup.model().index(row, 0).data() for row in range(popup.model().rowCount())] == [
        "storage tanks",
        "tennis courts beside a road",
    ]
    popup.hide()
    QTest.keyClicks(dock.query.edit, "COURTS")
    assert dock.query.edit.completer().currentCompletion() == "tennis courts beside a road"


def test_unfolding_the_advanced_options_lists_models_and_devices(dock: SearchDock, wait_until) -> None:
    assert dock.advanced.isCollapsed()
    dock.advanced.setCollapsed(False)
    wait_until(
        lambda: dock.advanced.model.count() > 1 and dock.advanced.device.count() > 1,
        SEARCH_SECONDS,
        "models and devices",
    )
    names = [dock.advanced.model.itemText(row) for row in range(dock.advanced.model.count())]
    assert names[0] == "Default"
    assert "rsicd-mini (default)" in names
    assert dock.advanced.device.findData("cpu") > 0
    assert dock.advanced.segmenter.findData("relevance") > 0


def test_an_empty_project_says_what_to_do_next(dock: SearchDock, scene_layer: QgsRasterLayer) -> None:
    assert dock.notice.isVisible()
    assert "There is no raster to search yet" in dock.notice.label.text()
    assert dock.notice.button.isVisible()
    QgsProject.instance().addMapLayer(scene_layer)
    assert not dock.notice.isVisible()
    assert dock.rasters.selection().layers == [scene_layer]
    assert dock.advanced.automatic.text() == "224 px, 112 m"
    QTest.keyClick(dock.query.edit, Qt.Key.Key_Return)
    assert "Type what you are looking for" in dock.notice.label.text()
    QTest.keyClicks(dock.query.edit, "t")
    assert not dock.notice.isVisible()
    QgsProject.instance().removeMapLayer(scene_layer.id())
    assert dock.notice.isVisible()


def test_a_missing_engine_is_told_with_the_way_to_the_options(
    qgis_iface, qgis_new_project, bar: QgsMessageBar, scene_layer: QgsRasterLayer, wait_until, tmp_path: Path
) -> None:
    settings = Settings()
    settings.engine_python = str(tmp_path / "nowhere" / "python")
    settings.results_folder = str(tmp_path)
    client = EngineClient(settings)
    dock = SearchDock(qgis_iface, client, settings)
    dock.show()
    QgsProject.instance().addMapLayer(scene_layer)
    type_and_enter(dock, "trees")
    finish(dock, 120)
    assert "nowhere" in dock.notice.label.text()
    assert (dock.notice.button.text(), dock.notice.other.text()) == ("Install Engine…", "Choose Another Python…")
    assert list(QgsProject.instance().mapLayers().values()) == [scene_layer]
    dock.clean_up()
    client.shutdown()
    dock.deleteLater()


def test_files_are_searched_without_being_layers(dock: SearchDock, scene_raster: Path) -> None:
    dock.rasters.select_files([str(scene_raster)])
    hits = search(dock, "trees")
    assert hits[0].raster == str(scene_raster.resolve())


def test_a_layer_of_the_tree_is_chosen_for_search(dock: SearchDock, scene: QgsRasterLayer, scene_raster: Path) -> None:
    second = QgsRasterLayer(str(scene_raster), "second")
    QgsProject.instance().addMapLayer(second)
    for layer in (scene, second, scene):
        dock.search_layer(layer)
        assert dock.rasters.selection().layers == [layer]
    dock.rasters.select_several([second])
    assert dock.rasters.list.isVisible()
    assert dock.rasters.selection().layers == [second]


def test_the_dock_is_usable_at_240_pixels_and_by_keyboard(dock: SearchDock, scene: QgsRasterLayer) -> None:
    dock.setFloating(True)
    dock.advanced.setCollapsed(False)
    dock.resize(240, 700)
    QApplication.processEvents()
    assert dock.width() == 240
    content = dock.widget().widget()
    assert content.width() <= dock.widget().viewport().width()
    visited, widget = [], dock.query.edit
    for _ in range(80):
        if widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            visited.append(widget.objectName())
        widget = widget.nextInFocusChain()
    wanted = [
        "query",
        "search",
        "help",
        "raster",
        "extent",
        "tile_unit",
        "overlap",
        "as_displayed",
        "bands",
        "resolution",
    ]
    assert [name for name in dict.fromkeys(visited) if name in wanted] == wanted


def test_an_earlier_search_runs_again(dock: SearchDock, scene: QgsRasterLayer) -> None:
    first = [(hit.tile_row, hit.tile_col) for hit in search(dock, "trees")]
    earlier = dock.results.history.entries()[0]
    dock.results.rerunRequested.emit(
        {"query": earlier.query, "params": earlier.params, "layers": earlier.layers, "title": earlier.title}
    )
    assert dock.controller.is_busy
    assert dock.query.text() == "trees"
    finish(dock)
    assert [(hit.tile_row, hit.tile_col) for hit in dock.results.model.hits()] == first
    assert len(dock.results.history.entries()) == 2


def test_processing_finds_the_index_of_the_dock_ready(dock: SearchDock, scene_raster: Path, tmp_path: Path) -> None:
    coarse = tmp_path / "coarse.tif"
    gdal.Translate(str(coarse), str(scene_raster), width=600, height=600)
    data = gdal.Open(str(coarse), gdal.GA_Update)
    data.SetGeoTransform((500_000, 5, 0, 5_400_000, 0, -5))
    data = None
    layer = QgsRasterLayer(str(coarse), "coarse")
    QgsProject.instance().addMapLayer(layer)
    dock.rasters.select_layer(layer)
    search(dock, "trees")
    algorithm = BuildIndex()
    algorithm.initAlgorithm()
    feedback = QgsProcessingFeedback()
    built, done = algorithm.run({"INPUTS": [layer]}, QgsProcessingContext(), feedback)
    end_shared_engine()
    assert done, feedback.textLog()
    assert (built["ENCODED"], built["REUSED"]) == (0, 16)
