from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from osgeo import gdal
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsGeometry,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsSingleBandGrayRenderer,
)
from qgis.gui import QgisInterface, QgsRubberBand
from qgis.PyQt.QtCore import QEvent, QPoint, Qt
from qgis.PyQt.QtGui import QGuiApplication, QKeyEvent
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QMenu, QMessageBox, QToolButton

from qgis_mpsclip.results import ResultsPanel, SearchRequest
from qgis_mpsclip.results.export_dialog import ExportDialog
from qgis_mpsclip.results.hits import hit_from_json
from qgis_mpsclip.results.model import Filter, Order, Role
from qgis_mpsclip.results.review import Review
from tests.plugin.results.conftest import OPTIONS, QUERY, Said

Key, NoModifier = Qt.Key, Qt.KeyboardModifier.NoModifier
ControlModifier = Qt.KeyboardModifier.ControlModifier


def ranks(panel: ResultsPanel) -> list[int]:
    return [hit.rank for hit in panel.proxy.shown()]


def click(panel: ResultsPanel, row: int, modifier: Qt.KeyboardModifier = NoModifier) -> None:
    index = panel.proxy.index(row, 0)
    panel.list.scrollTo(index)
    place = panel.list.visualRect(index).center()
    QTest.mouseClick(panel.list.viewport(), Qt.MouseButton.LeftButton, modifier, place)


def press(panel: ResultsPanel, key: Qt.Key, modifier: Qt.KeyboardModifier = NoModifier) -> None:
    QTest.keyClick(panel.list, key, modifier)


def test_an_empty_panel_says_what_to_do(panel: ResultsPanel) -> None:
    assert panel.pages.currentWidget() is panel.empty
    assert panel.empty.title.text() == "No search yet"
    assert "press Enter" in panel.empty.text.text()
    assert not panel.filters.isVisible() and not panel.bar.isVisible()


def test_hits_appear_with_the_shortlist_and_are_refined_in_place(panel: ResultsPanel, said: Said) -> None:
    panel.begin(said.request())
    assert panel.empty.title.text() == "Searching…"
    panel.show_shortlist(said.shortlist)
    assert panel.pages.currentWidget() is panel.list
    assert ranks(panel) == list(range(1, len(said.shortlist["hits"]) + 1))
    assert panel.summary.text().replace("\N{NO-BREAK SPACE}", " ") == "12 hits · being refined"
    assert not any(hit.keywords for hit in panel.proxy.shown())
    panel.update_hit(said.hits[0])
    first = panel.model.hit((said.hits[0]["hit"]["raster"], *_tile(said.hits[0]["hit"])))
    assert first.refined and set(first.keywords) == {r["keyword"] for r in said.hits[0]["hit"]["subregions"]}
    panel.finish(said.report)
    assert panel.summary.text().replace("\N{NO-BREAK SPACE}", " ") == "12 hits"
    assert [hit.score for hit in panel.proxy.shown()] == [hit["score"] for hit in said.report["hits"]]


def test_words_that_the_model_was_not_taught_are_told_until_the_next_search(panel: ResultsPanel, said: Said) -> None:
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    panel.finish(said.report | {"words_read_as": {"creek": ["river", "water"]}})
    assert panel.summary.text().replace("\N{NO-BREAK SPACE}", " ") == "12 hits · “creek” read as river, water"
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    assert "creek" not in panel.summary.text()


def test_current_hit_and_map_stay_when_the_final_order_comes(
    panel: ResultsPanel, said: Said, qgis_iface: QgisInterface
) -> None:
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    click(panel, 3)
    key, extent = panel.current().key, QgsRectangle(qgis_iface.mapCanvas().extent())
    panel.finish(said.report)
    assert panel.current().key == key
    assert [hit.key for hit in panel.selected()] == [key]
    assert qgis_iface.mapCanvas().extent() == extent


def test_a_report_that_comes_without_a_shortlist_is_shown(panel: ResultsPanel, said: Said, project: QgsProject) -> None:
    panel.begin(said.request())
    panel.finish(said.report)
    assert len(ranks(panel)) == OPTIONS["top"]
    assert sorted(layer.name() for layer in project.mapLayers().values()) == ["hits", "subregions"]


def test_score_is_told_as_a_percentile_and_the_likeness_in_the_tooltip(finished: ResultsPanel, said: Said) -> None:
    index = finished.proxy.index(0, 0)
    best = said.report["hits"][0]
    assert index.data(Role.PERCENTILE) == best["percentile"]
    assert "better than 99.1 % of tiles" in index.data(Qt.ItemDataRole.DisplayRole)
    tooltip = index.data(Qt.ItemDataRole.ToolTipRole)
    assert f"Likeness of the tile to the query: {best['score_global']:.4f}" in tooltip
    assert "houses" in tooltip


def test_arrow_keys_move_the_map_to_the_tile(finished: ResultsPanel, qgis_iface: QgisInterface) -> None:
    canvas = qgis_iface.mapCanvas()
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:32632"))
    canvas.setExtent(QgsRectangle(0, 0, 10, 10))
    click(finished, 0)
    finished.list.setFocus()
    for _ in range(2):
        press(finished, Key.Key_Down)
        centre = finished.current().geometry.boundingBox().center()
        assert canvas.extent().center().distance(centre) < 1e-6
    assert finished.current().rank == 3
    assert any(isinstance(item, QgsRubberBand) for item in canvas.scene().items())  # the flash
    width = canvas.extent().width()
    # Next time the scale is fit already, so the map only moves.
    press(finished, Key.Key_Up)
    assert canvas.extent().width() == pytest.approx(width)


def test_the_map_goes_to_the_tile_in_another_project_crs(finished: ResultsPanel, qgis_iface: QgisInterface) -> None:
    canvas = qgis_iface.mapCanvas()
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
    click(finished, 1)
    centre = canvas.extent().center()
    back = QgsCoordinateReferenceSystem("EPSG:3857"), QgsCoordinateReferenceSystem("EPSG:32632")
    point = QgsCoordinateTransform(*back, QgsProject.instance()).transform(centre)
    assert point.distance(finished.current().geometry.boundingBox().center()) < 0.5


def test_enter_and_double_click_zoom_to_the_tile(finished: ResultsPanel, qgis_iface: QgisInterface) -> None:
    canvas = qgis_iface.mapCanvas()
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:32632"))
    click(finished, 0)
    tile = finished.current().geometry.boundingBox()
    for zoom in (
        lambda: press(finished, Key.Key_Return),
        lambda: finished.list.doubleClicked.emit(finished.list.currentIndex()),
    ):
        canvas.setExtent(QgsRectangle(0, 0, 10, 10))
        zoom()
        assert canvas.extent().contains(tile)
        assert min(canvas.extent().width(), canvas.extent().height()) == pytest.approx(1.15 * tile.width())


def test_order_and_least_score_act_at_once(finished: ResultsPanel) -> None:
    finished.filters.order.setCurrentIndex(finished.filters.order.findData(int(Order.LEAST)))
    assert ranks(finished) == list(range(12, 0, -1))
    finished.filters.order.setCurrentIndex(finished.filters.order.findData(int(Order.BEST)))
    finished.filters.slider.setValue(7)
    least = sorted(hit.percentile for hit in finished.model.hits())[7]
    assert [hit.percentile >= least for hit in finished.proxy.shown()] == [True] * 5
    assert finished.filters.level.text() == f"from {int(least * 10) / 10:.1f} %"
    assert finished.summary.text().replace("\N{NO-BREAK SPACE}", " ") == "5 of 12 hits"


def test_a_filter_that_hides_everything_says_so_and_can_be_taken_away(finished: ResultsPanel) -> None:
    finished.filters.shown.setCurrentIndex(2)
    assert finished.proxy.filter == Filter(verdict="accepted")
    assert finished.pages.currentWidget() is finished.empty
    assert finished.empty.title.text() == "The filter hides all 12 hits"
    QTest.mouseClick(finished.empty.button, Qt.MouseButton.LeftButton)
    assert finished.pages.currentWidget() is finished.list and len(ranks(finished)) == 12


def test_hits_can_be_narrowed_to_a_keyword(finished: ResultsPanel) -> None:
    finished.filters.shown.setCurrentIndex(finished.filters.shown.findText("With road"))
    assert all("road" in hit.keywords for hit in finished.proxy.shown())
    assert 0 < len(ranks(finished)) < 12


def test_keys_accept_reject_and_take_back(finished: ResultsPanel) -> None:
    click(finished, 0)
    press(finished, Key.Key_A)
    key = finished.current().key
    assert finished.model.review(key) == Review("accepted")
    assert finished.proxy.index(0, 0).data(Role.REVIEW) == "accepted"
    press(finished, Key.Key_R)
    assert finished.model.review(key) == Review("rejected")
    press(finished, Key.Key_R)
    assert finished.model.review(key) == Review()
    press(finished, Key.Key_Z, ControlModifier)
    press(finished, Key.Key_Z, ControlModifier)
    assert finished.model.review(key) == Review("accepted")
    press(finished, Key.Key_Z, ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert finished.model.review(key) == Review("rejected")


def test_the_lists_keys_come_before_shortcuts_of_the_window(finished: ResultsPanel) -> None:
    for key, modifier in ((Key.Key_Z, ControlModifier), (Key.Key_A, NoModifier), (Key.Key_C, ControlModifier)):
        event = QKeyEvent(QEvent.Type.ShortcutOverride, _code(key), modifier)
        event.ignore()
        QApplication.sendEvent(finished.list, event)
        assert event.isAccepted()
    event = QKeyEvent(QEvent.Type.ShortcutOverride, _code(Key.Key_S), ControlModifier)
    event.ignore()
    QApplication.sendEvent(finished.list, event)
    assert not event.isAccepted()


def test_several_hits_are_judged_together_and_taken_back_together(finished: ResultsPanel) -> None:
    click(finished, 0)
    click(finished, 2, Qt.KeyboardModifier.ShiftModifier)
    press(finished, Key.Key_A)
    assert [index.data(Role.REVIEW) for index in (finished.proxy.index(row, 0) for row in range(4))] == [
        "accepted",
        "accepted",
        "accepted",
        "",
    ]
    press(finished, Key.Key_Z, ControlModifier)
    assert finished.model.reviews() == {}


def test_a_note_is_written_with_the_keyboard(finished: ResultsPanel) -> None:
    click(finished, 1)
    press(finished, Key.Key_N)
    assert finished.note.isVisible()
    QTest.keyClicks(finished.note.line, "roof?")
    QTest.keyClick(finished.note.line, Key.Key_Return)
    assert not finished.note.isVisible()
    assert finished.model.review(finished.current().key) == Review(note="roof?")
    press(finished, Key.Key_N)
    QTest.keyClicks(finished.note.line, "dropped")
    QTest.keyClick(finished.note.line, Key.Key_Escape)
    assert finished.model.review(finished.current().key).note == "roof?"


def test_coordinates_are_copied_in_the_projects_crs_and_as_degrees(
    finished: ResultsPanel, qgis_iface: QgisInterface
) -> None:
    qgis_iface.mapCanvas().setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:32632"))
    click(finished, 0)
    press(finished, Key.Key_C, ControlModifier)
    centre = finished.current().geometry.boundingBox().center()
    assert QGuiApplication.clipboard().text() == f"{centre.x():.3f}, {centre.y():.3f}"
    finished.command("copy_geographic")
    latitude, longitude = map(float, QGuiApplication.clipboard().text().split(", "))
    assert 47 < latitude < 49 and 10 < longitude < 11


def test_context_menu_offers_what_can_be_done_with_the_selection(finished: ResultsPanel) -> None:
    click(finished, 0)
    finished.list.menuRequested.emit(finished.mapToGlobal(QPoint(10, 10)))
    menus = [menu for menu in finished.findChildren(QMenu) if menu.isVisible()]
    texts = [action.text().split("\t")[0] for action in menus[0].actions() if action.text()]
    assert texts == [
        "Zoom to", "Accept", "Reject", "Note…", "Copy coordinates", "Copy latitude and longitude", "Export selection…",
    ]  # fmt: skip
    menus[0].close()


def test_actions_need_something_to_work_on(finished: ResultsPanel) -> None:
    finished.list.clearSelection()
    assert not finished.actions_["accept"].isEnabled() and finished.actions_["export"].isEnabled()
    click(finished, 0)
    assert finished.actions_["accept"].isEnabled() and not finished.actions_["undo"].isEnabled()
    press(finished, Key.Key_A)
    assert finished.actions_["undo"].isEnabled()


@pytest.mark.parametrize(
    ("reason", "title"), [(None, "Cancelled before the first hit"), ("Gone.", "The search failed")]
)
def test_a_search_without_hits_adds_nothing(
    panel: ResultsPanel, said: Said, project: QgsProject, reason: str | None, title: str
) -> None:
    said.file.unlink()
    panel.begin(said.request())
    panel.abort(reason)
    assert project.mapLayers() == {} and project.layerTreeRoot().children() == []
    assert panel.history.entries() == [] and not said.file.exists()
    assert panel.empty.title.text() == title


def test_a_search_that_finds_nothing_adds_nothing_and_says_what_to_do(
    panel: ResultsPanel, said: Said, project: QgsProject
) -> None:
    panel.begin(said.request())
    panel.show_shortlist({**said.shortlist, "hits": []})
    panel.finish({**said.report, "hits": []})
    assert project.mapLayers() == {} and panel.history.entries() == []
    assert panel.empty.title.text() == "Nothing found"


def test_help_and_export_open_from_the_buttons(finished: ResultsPanel) -> None:
    finished.command("help")
    (box,) = finished.findChildren(QMessageBox)
    assert "Accept" in box.text()
    box.close()
    finished.command("export")
    dialog = finished.findChild(ExportDialog)
    assert dialog.isVisible()
    dialog.reject()


def test_it_fits_into_a_narrow_dock(finished: ResultsPanel) -> None:
    assert finished.minimumSizeHint().width() <= 240


def test_a_new_project_empties_the_list(finished: ResultsPanel, project: QgsProject, wait_until) -> None:
    hit = finished.model.hits()[0]
    wait_until(lambda: finished.thumbnails.picture(hit) is not None, 60, "a picture, whose layer is deleted then")
    project.clear()
    assert finished.model.rowCount() == 0 and finished.empty.title.text() == "No search yet"


def test_a_search_of_a_closed_project_adds_nothing_to_the_next(
    panel: ResultsPanel, said: Said, project: QgsProject
) -> None:
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    project.clear()
    for hit in said.hits:
        panel.update_hit(hit)
    panel.show_shortlist(said.shortlist)
    panel.finish(said.report)
    panel.abort(None)
    assert panel.model.rowCount() == 0 and panel.empty.title.text() == "No search yet"
    assert not project.mapLayers() and not project.layerTreeRoot().children() and not panel.history.entries()


def test_another_search_replaces_the_list_and_leaves_the_earlier_layers(
    finished: ResultsPanel, project: QgsProject
) -> None:
    before = set(project.mapLayers())
    finished.begin(SearchRequest("boats", {"query": "boats", "out": "/nowhere/boats.gpkg", "rasters": []}))
    assert finished.model.rowCount() == 0 and not finished.undo_stack.canUndo()
    assert finished.title.text() == "boats" and set(project.mapLayers()) == before
    finished.abort(None)


def test_pictures_come_from_the_raster_as_the_layer_shows_it(
    finished: ResultsPanel, scene_layer: QgsRasterLayer, wait_until: Callable[..., None]
) -> None:
    index = finished.proxy.index(0, 0)
    wait_until(lambda: index.data(Role.THUMBNAIL) is not None, what="first picture")
    picture = index.data(Role.THUMBNAIL)
    assert (picture.width(), picture.height()) == (192, 192)
    assert not picture.allGray()
    scene_layer.setRenderer(QgsSingleBandGrayRenderer(scene_layer.dataProvider(), 1))
    wait_until(lambda: (index.data(Role.THUMBNAIL) or picture).allGray(), what="picture of the new style")


def test_a_raster_that_is_no_layer_gives_pictures_too_and_one_that_is_gone_says_so(
    panel: ResultsPanel, said: Said, wait_until: Callable[..., None]
) -> None:
    said.report["hits"][1]["raster"] = "/nowhere/gone.tif"
    panel.begin(said.request())
    panel.finish(said.report)
    first, second = panel.proxy.index(0, 0), panel.proxy.index(1, 0)
    wait_until(lambda: first.data(Role.THUMBNAIL) is not None and second.data(Role.THUMBNAIL) is not None)
    assert not first.data(Role.THUMBNAIL).isNull() and second.data(Role.THUMBNAIL).isNull()


def test_buttons_can_be_reached_with_the_keyboard(finished: ResultsPanel) -> None:
    by_tab = Qt.FocusPolicy.TabFocus
    buttons = [button for button in finished.findChildren(QToolButton) if button.focusPolicy() & by_tab]
    names = {"Accept", "Reject", "Note", "Undo", "Redo", "Export", "Earlier searches", "Help on the results"}
    assert names <= {button.text() for button in buttons}


def test_a_search_that_leaves_the_list_shows_all_its_hits_on_the_map(
    finished: ResultsPanel, project: QgsProject, said: Said
) -> None:
    (layer,) = project.mapLayersByName("hits")
    finished.filters.slider.setValue(9)
    finished._filter_map()
    assert layer.featureCount() == 3
    finished.begin(said.request())
    assert layer.featureCount() == 12
    finished.abort(None)


def test_hits_of_two_rasters_of_different_crs_are_shown_together(
    panel: ResultsPanel, said: Said, tmp_path: Path, wait_until: Callable[..., None], qgis_iface: QgisInterface
) -> None:
    raster = said.params["rasters"][0]
    other = str(tmp_path / "other.tif")
    gdal.Warp(other, raster, dstSRS="EPSG:3857")
    to_degrees = QgsCoordinateTransform(
        QgsCoordinateReferenceSystem("EPSG:32632"), QgsCoordinateReferenceSystem("EPSG:4326"), QgsProject.instance()
    )
    for n, hit in enumerate(said.shortlist["hits"]):
        geometry = QgsGeometry(hit_from_json(hit).geometry)
        geometry.transform(to_degrees)
        hit["geometry"] = json.loads(geometry.asJson(12))
        hit["raster"] = other if n % 2 else raster
    panel.begin(said.request())
    panel.show_shortlist({**said.shortlist, "crs": "EPSG:4326"})
    first, second = (panel.proxy.index(row, 0) for row in range(2))
    wait_until(lambda: first.data(Role.THUMBNAIL) is not None and second.data(Role.THUMBNAIL) is not None)
    for index in (first, second):
        picture = index.data(Role.THUMBNAIL)
        assert not picture.isNull() and picture.pixelColor(picture.rect().center()).alpha() == 255
    assert panel.list.itemDelegate().several_rasters
    click(panel, 1)
    assert qgis_iface.mapCanvas().extent().width() > 0


def test_pictures_of_a_raster_without_georeference_show_the_right_pixels(
    panel: ResultsPanel, said: Said, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    plain = str(tmp_path / "plain.tif")
    scene = gdal.Open(said.params["rasters"][0])
    size = scene.RasterXSize, scene.RasterYSize
    copy = gdal.GetDriverByName("GTiff").Create(plain, *size, scene.RasterCount, options=["PHOTOMETRIC=RGB"])
    copy.WriteRaster(0, 0, *size, scene.ReadRaster())
    del copy
    hit = said.shortlist["hits"][0]
    x, y, width, height = hit["pixels"]
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    wait_until(lambda: panel.proxy.index(0, 0).data(Role.THUMBNAIL) is not None)
    expected = panel.proxy.index(0, 0).data(Role.THUMBNAIL)
    box = QgsGeometry.fromRect(QgsRectangle(x, -y - height, x + width, -y))  # rows downwards, as QGIS draws it
    hit.update(raster=plain, geometry=json.loads(box.asJson()))
    panel.begin(said.request())
    panel.show_shortlist({"crs": None, "hits": [hit]})
    wait_until(lambda: panel.proxy.index(0, 0).data(Role.THUMBNAIL) is not None)
    picture = panel.proxy.index(0, 0).data(Role.THUMBNAIL)
    assert picture.size() == expected.size()
    # Enlarged pixels may begin one earlier or later, so areas are compared.
    ours, theirs = (
        image.scaled(16, 16, transformMode=Qt.TransformationMode.SmoothTransformation) for image in (picture, expected)
    )
    colours = [(ours.pixelColor(n % 16, n // 16), theirs.pixelColor(n % 16, n // 16)) for n in range(256)]
    assert max(abs(one.green() - other.green()) for one, other in colours) < 12
    assert max(one.green() for one, _ in colours) - min(one.green() for one, _ in colours) > 60


def _code(key: Qt.Key) -> int:
    """Qt 6's keys are enums, Qt 5's are numbers."""
    return int(getattr(key, "value", key))


def _tile(hit: dict[str, int]) -> tuple[int, int]:
    return hit["tile_row"], hit["tile_col"]


def test_the_title_is_the_query(finished: ResultsPanel) -> None:
    assert finished.title.text() == QUERY
