"""The dock's parts that need no engine: what is sent, what is said, what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsAuthMethodConfig,
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtCore import QLocale, Qt

from qgis_mpsclip.dock.advanced import AdvancedOptions
from qgis_mpsclip.dock.form import SearchForm
from qgis_mpsclip.dock.inputs import check_size, inputs_again, raster_inputs
from qgis_mpsclip.dock.progress_row import duration, progress_text
from qgis_mpsclip.dock.raster_picker import RasterPicker, RasterSelection
from qgis_mpsclip.dock.tile_default import automatic_tile_in_words
from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.keyword_service import keyword_params
from qgis_mpsclip.rendering.area import Area
from qgis_mpsclip.settings import Settings

UTM = QgsCoordinateReferenceSystem("EPSG:32632")


@pytest.fixture(autouse=True)
def english() -> None:
    QLocale.setDefault(QLocale("en_US"))


def raster(folder: Path, name: str, pixel: float = 1.0, side: int = 20, crs: str = "EPSG:32632") -> QgsRasterLayer:
    """A grey raster with values from 0 to 399 in 16 bits."""
    path = folder / f"{name}.tif"
    data = gdal.GetDriverByName("GTiff").Create(str(path), side, side, 1, gdal.GDT_UInt16)
    data.SetGeoTransform((500_000, pixel, 0, 5_000_000, 0, -pixel))
    if crs:
        data.SetProjection(QgsCoordinateReferenceSystem(crs).toWkt())
    data.GetRasterBand(1).WriteRaster(
        0, 0, 20, 20, b"".join(value.to_bytes(2, "little") for value in range(400)), buf_type=gdal.GDT_UInt16
    )
    data = None
    layer = QgsRasterLayer(str(path), name)
    if not crs:
        layer.setCrs(QgsCoordinateReferenceSystem())
    return layer


def stretched(layer: QgsRasterLayer, low: float, high: float) -> QgsRasterLayer:
    enhancement = layer.renderer().contrastEnhancement()
    enhancement.setMinimumValue(low)
    enhancement.setMaximumValue(high)
    return layer


def form(*layers: QgsRasterLayer, **values: object) -> SearchForm:
    return SearchForm("trees", RasterSelection(list(layers)), **values)


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        ((), "224 px"),
        ((0.5,), "224 px, 112 m"),
        ((0.1,), "672 px, 67 m"),
        ((10.0,), "224 px, 2,241 m"),  # true metres, not the projection's
        ((0.5, 2.0), "224 px, 112–448 m"),
        ((0.1, 0.2), "67 m"),
        ((0.1, 1.0), "67–224 m"),
    ],
)
def test_the_automatic_tile_is_told_in_pixels_and_metres(tmp_path: Path, pixels: tuple[float, ...], words: str) -> None:
    assert automatic_tile_in_words([raster(tmp_path, str(pixel), pixel) for pixel in pixels]) == words


def test_metres_are_not_told_where_a_crs_lacks(tmp_path: Path) -> None:
    layers = [raster(tmp_path, "a", 0.1), raster(tmp_path, "b", 5.0, crs="")]
    assert automatic_tile_in_words(layers) == "224–672 px"
    assert automatic_tile_in_words(layers[1:]) == "224 px"


@pytest.mark.parametrize("pixel", [0.1, 0.5, 10.0])
def test_the_automatic_tile_is_the_engines(tmp_path: Path, engine_python: Path, pixel: float) -> None:
    layer = raster(tmp_path, "a", pixel, side=3000)
    code = (
        "import sys; from engine.raster.grid import make_grid, parse_tile_size as p; from engine.raster import source;"
        "print(make_grid(source.RasterSource.open(sys.argv[1]), p('auto'), 0.25).side)"
    )
    root = Path(__file__).resolve().parent.parent.parent
    foreign = ("PYTHON", "PROJ_", "GDAL_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    side = subprocess.check_output([engine_python, "-c", code, layer.source()], cwd=root, env=environment, text=True)
    assert automatic_tile_in_words([layer]).startswith(f"{side.strip()} px, ")


def test_processing_needs_no_windows_of_the_plugin() -> None:
    code = "import sys, qgis_mpsclip.processing.provider; sys.exit('qgis_mpsclip.dock' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).resolve().parent.parent.parent, check=True)


def test_one_display_goes_into_the_options(tmp_path: Path) -> None:
    layers = [stretched(raster(tmp_path, name), 100, 300) for name in "ab"]
    inputs, options = raster_inputs(form(*layers, options={"top": 5}, as_displayed=True))
    assert options == {"top": 5, "bands": [1], "stretch": [[100, 300]]}
    assert [each.path for each in inputs] == [layer.source() for layer in layers]
    assert [each.layer_id for each in inputs] == [layer.id() for layer in layers]


def test_different_displays_become_one_view_each(tmp_path: Path) -> None:
    layers = [stretched(raster(tmp_path, "a"), 0, 255), stretched(raster(tmp_path, "b"), 145, 400)]
    inputs, options = raster_inputs(form(*layers, as_displayed=True))
    assert options == {}
    first, second = (gdal.Open(each.path) for each in inputs)
    assert (first.RasterCount, second.RasterCount) == (2, 2)
    assert list(first.GetRasterBand(1).ReadRaster(0, 10, 3, 1)) == [200, 201, 202]
    assert list(second.GetRasterBand(1).ReadRaster(0, 10, 3, 1)) == [55, 56, 57]


def test_a_style_that_bands_cannot_say_is_rendered(tmp_path: Path) -> None:
    layer = raster(tmp_path, "a")
    layer.setRenderer(QgsSingleBandPseudoColorRenderer(layer.dataProvider(), 1))
    (one,), _ = raster_inputs(form(layer, as_displayed=True))
    assert one.path is None
    assert (one.plan.columns, one.plan.rows) == (20, 20)
    (one,), _ = raster_inputs(form(layer))
    assert one.path == layer.source()
    with pytest.raises(MpsClipError, match="has no bands to choose"):
        raster_inputs(form(layer, options={"bands": [1]}, render=frozenset({layer.id()})))


def test_the_area_is_sent_with_its_crs(tmp_path: Path) -> None:
    area = Area(QgsGeometry.fromRect(QgsRectangle(0, 0, 2, 1)), UTM)
    _, options = raster_inputs(form(raster(tmp_path, "a"), area=area))
    assert options["area"] == {"wkt": "Polygon ((0 0, 2 0, 2 1, 0 1, 0 0))", "crs": "EPSG:32632"}


def test_rendering_has_a_limit_and_asks_before_much(tmp_path: Path) -> None:
    layer = raster(tmp_path, "a", side=6000)
    inputs, _ = raster_inputs(form(layer, render=frozenset({layer.id()})))
    assert "36 million pixels" in check_size(inputs, 100_000_000)
    with pytest.raises(MpsClipError, match=r"takes 36 million pixels; the limit is 30\. Choose a smaller extent"):
        check_size(inputs, 30_000_000)
    assert check_size(raster_inputs(form(layer))[0], 1) == ""


def test_an_earlier_request_renders_again_what_is_gone(tmp_path: Path, qgis_new_project) -> None:
    layer = raster(tmp_path, "a")
    QgsProject.instance().addMapLayer(layer)
    gone, there = str(tmp_path / "gone.tif"), layer.source()
    area = {"wkt": "Polygon ((500000 4999990, 500010 4999990, 500010 5000000, 500000 5000000, 500000 4999990))"}
    params = {"rasters": [gone, there], "options": {"area": {**area, "crs": "EPSG:32632"}}}
    layers = {gone: layer.id(), there: layer.id()}
    first, second = inputs_again(params, layers, {gone: None})
    assert (first.path, first.plan.columns, first.plan.rows) == (None, 10, 10)
    assert (second.path, second.plan, second.rendered) == (there, None, False)
    (coarse, _) = inputs_again(params, layers, {gone: 4.0})
    assert (coarse.plan.columns, coarse.plan.rows, coarse.rendered, coarse.resolution) == (3, 3, True, 4.0)
    with pytest.raises(MpsClipError, match=r"gone\.tif is no longer there"):
        inputs_again(params, {}, {})


def test_a_file_that_moved_is_searched_again_where_its_layer_finds_it(tmp_path: Path, qgis_new_project) -> None:
    layer = raster(tmp_path, "a")
    QgsProject.instance().addMapLayer(layer)
    before = str(tmp_path / "before" / "a.tif")
    (found,) = inputs_again({"rasters": [before]}, {before: layer.id()}, {})
    assert (found.path, found.plan) == (layer.source(), None)


def test_a_raster_in_an_archive_is_searched_again_as_it_is(tmp_path: Path, qgis_new_project) -> None:
    layer = raster(tmp_path, "a")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(layer.source(), "a.tif")
    name = f"/vsizip/{tmp_path}/a.zip/a.tif"
    zipped = QgsRasterLayer(name, "zipped")
    assert zipped.isValid()
    QgsProject.instance().addMapLayer(zipped)
    (found,) = inputs_again({"rasters": [name]}, {name: zipped.id()}, {})
    assert (found.path, found.plan) == (name, None)


def test_an_area_of_too_many_vertices_is_refused_with_what_to_do(tmp_path: Path) -> None:
    # Not a buffer: newer versions of GEOS give it fewer vertices than they are asked for.
    corners = [QgsPointXY(1000 + 0.123456789 * i, (i % 2) * 0.987654321) for i in range(400_000)]
    jagged = QgsGeometry.fromPolygonXY([[QgsPointXY(0, -1000), *corners, QgsPointXY(0, 1000)]])
    with pytest.raises(MpsClipError, match=r"too detailed\. Simplify them first"):
        raster_inputs(form(raster(tmp_path, "a"), area=Area(jagged, UTM)))


def test_sources_of_services_are_not_shown(qgis_iface, qgis_new_project, tmp_path: Path) -> None:
    secret = "not-to-be-told"  # pragma: allowlist secret
    uri = f"type=xyz&url=http://127.0.0.1:9/{{z}}/{{x}}/{{y}}.png?key%3D{secret}&username=me&password={secret}"
    service, file = QgsRasterLayer(uri, "service", "wms"), raster(tmp_path, "file")
    assert service.isValid() and secret in service.source()
    QgsProject.instance().addMapLayers([service, file])
    picker = RasterPicker(qgis_iface)
    texts = {
        picker.combo.itemText(i): picker.combo.itemData(i, Qt.ItemDataRole.ToolTipRole)
        for i in range(picker.combo.count())
    }
    picker.clean_up()
    assert texts["service"] == "service" and texts["file"] == file.source()


def test_progress_says_what_how_much_how_fast_and_how_long() -> None:
    progress = {"stage": "index", "done": 1200, "total": 34000, "rate": 85.3, "remaining": 384.6}
    assert progress_text(progress) == "Looking at tiles: 1,200 of 34,000 · 85 tiles/s · 6 min 25 s left"
    assert progress_text({"stage": "refine", "done": 3, "total": 32, "rate": 0.5, "remaining": 58}) == (
        "Outlining hits: 3 of 32 · 58 s left"
    )
    assert progress_text({"stage": "load", "done": 0, "total": 0, "rate": None, "remaining": None}) == (
        "Loading the model"
    )
    assert progress_text({"stage": "unheard of"}) == "Working"
    assert duration(7500) == "2 h 5 min"


def test_options_leave_out_what_is_not_chosen(qgis_app) -> None:
    settings = Settings()
    advanced = AdvancedOptions(settings)
    assert advanced.options() == {"tile": "auto", "overlap": 0.25, "top": 50, "refine": 32}
    assert (advanced.chosen_model(), advanced.chosen_device(), advanced.chosen_resolution()) == (None, None, None)
    settings.default_model, settings.device = "openai-b32", "cpu"
    advanced.unit.setCurrentIndex(advanced.unit.findData("m"))
    advanced.side.setValue(150)
    advanced.bands.setText("4; 3,2")
    advanced.min_score.setValue(0.2)
    advanced.segmenter.setCurrentIndex(advanced.segmenter.findData("none"))
    assert advanced.options() == {
        "tile": "150m",
        "overlap": 0.25,
        "top": 50,
        "refine": 32,
        "bands": [4, 3, 2],
        "min_score": 0.2,
        "segmenter": "none",
    }
    assert (advanced.chosen_model(), advanced.chosen_device()) == ("openai-b32", "cpu")
    assert not advanced.refine.isEnabled()
    for text in ("1,2", "red", "0", "1 2 3 4"):
        advanced.bands.setText(text)
        with pytest.raises(MpsClipError, match=f"“{text}” names no bands"):
            advanced.options()


def test_models_say_whether_they_must_be_downloaded(qgis_app) -> None:
    advanced = AdvancedOptions(Settings())
    other = {"id": "other", "title": "Another one", "file": None, "size_mb": 605.0, "licence": "MIT"}
    advanced.set_models({"default": "own", "models": [{"id": "own", "title": "Own", "file": "/own"}, other]})
    assert [advanced.model.itemText(row) for row in range(3)] == ["Default", "own (default)", "other (to download)"]
    assert advanced.model.itemData(2, Qt.ItemDataRole.ToolTipRole) == "Another one · 605 MB · Licence: MIT"
    advanced.model.setCurrentIndex(2)
    advanced.set_models({"default": "own", "models": [other]})
    assert advanced.chosen_model() == "other", "the choice stays"


def test_the_choice_of_rasters_follows_the_project(qgis_iface, qgis_new_project, tmp_path: Path) -> None:
    picker = RasterPicker(qgis_iface)
    assert not picker.selection()
    first, second = raster(tmp_path, "a"), raster(tmp_path, "b")
    QgsProject.instance().addMapLayer(first)
    assert picker.selection().layers == [first]
    QgsProject.instance().addMapLayer(second)
    assert picker.selection().layers == [first], "the choice stays when layers come"
    picker.combo.setCurrentIndex(picker.combo.findData("all"))
    assert set(picker.selection().layers) == {first, second}
    first.setName("renamed")
    assert picker.combo.findText("renamed") >= 0
    assert set(picker.selection().layers) == {first, second}
    second_id = second.id()
    QgsProject.instance().removeMapLayer(second_id)
    assert picker.selection().layers == [first]
    picker.select_files(["/data/one.tif", "/data/two words.tif"])
    assert picker.selection().files == ["/data/one.tif", "/data/two words.tif"]
    picker.clean_up()


@pytest.mark.parametrize(
    ("method", "values"),
    [
        ("Basic", {"username": "me", "password": "top-key"}),  # pragma: allowlist secret
        ("APIHeader", {"Authorization": "Bearer top-key"}),
    ],
)
def test_the_key_of_the_language_model_comes_from_the_authentication_store(
    qgis_app, method: str, values: dict[str, str]
) -> None:
    settings = Settings()
    assert keyword_params(settings) is None
    settings.llm_url, settings.llm_model = "http://localhost:11434/v1", "small"
    assert keyword_params(settings) == {
        "extractor": "llm",
        "llm_url": "http://localhost:11434/v1",
        "llm_model": "small",
        "llm_api_key": None,
    }
    manager = QgsApplication.authManager()
    assert manager.setMasterPassword("a test", True)  # that of the other tests of this run
    config = QgsAuthMethodConfig(method)
    config.setName("service")
    config.setConfigMap(values)
    stored, config = manager.storeAuthenticationConfig(config)
    assert stored
    settings.llm_authcfg = config.id()
    assert keyword_params(settings)["llm_api_key"] == "top-key"  # pragma: allowlist secret
