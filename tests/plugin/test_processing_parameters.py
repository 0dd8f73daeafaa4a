"""Processing: what is said of parameters before anything runs; lists of queries, folders, areas and CRSs."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.processing.area import area_of, area_params
from qgis_mpsclip.processing.folder import layers_in
from qgis_mpsclip.processing.parameters import check_bands, check_tile_size, parse_bands
from qgis_mpsclip.processing.progress import ProgressReporter
from qgis_mpsclip.processing.provider import MpsClipProvider
from qgis_mpsclip.processing.queries import collect_queries
from qgis_mpsclip.processing.rasters import RasterFile, raster_file, result_crs
from qgis_mpsclip.processing.rendered import Rendering, picture_file, plan_within_limit
from qgis_mpsclip.processing.searchimagery import SearchImagery
from qgis_mpsclip.rendering.area import Area
from qgis_mpsclip.settings import Settings

pytestmark = pytest.mark.usefixtures("nothing_left")

ROOT = Path(__file__).resolve().parent.parent.parent
UTM, WGS84 = QgsCoordinateReferenceSystem("EPSG:32632"), QgsCoordinateReferenceSystem("EPSG:4326")
NOWHERE = QgsCoordinateReferenceSystem()

# Frozen: scripts and models of users name them. A name may be added, none may go.
NAMES = {
    "searchimagery": {
        *("INPUT", "QUERY", "EXTENT", "AREA", "TILE_SIZE", "OVERLAP", "BANDS", "TOP", "MIN_SCORE", "REFINE"),
        *("SEGMENTER", "SCORE", "NMS", "KEYWORDS", "TARGET_CRS", "MODEL", "DEVICE", "MORE_INPUTS", "HITS"),
        *("SUBREGIONS", "RESOLUTION"),
    },
    "batchsearch": {
        *("INPUTS", "FOLDER", "PATTERN", "RECURSIVE", "QUERIES", "QUERIES_FILE", "EXTENT", "AREA", "TILE_SIZE"),
        *("OVERLAP", "BANDS", "TOP", "MIN_SCORE", "REFINE", "SEGMENTER", "SCORE", "NMS", "KEYWORDS", "TARGET_CRS"),
        *("MODEL", "DEVICE", "LOAD_LAYERS", "OUTPUT"),
    },
    "buildindex": {
        *("INPUTS", "FOLDER", "PATTERN", "RECURSIVE", "EXTENT", "AREA", "TILE_SIZE", "OVERLAP", "BANDS", "MODEL"),
        "DEVICE",
    },
    "enginestatus": {"OUTPUT_HTML", "OUTPUT_JSON"},
    "installengine": {
        *("CHOICE", "INSTALL_FOLDER", "WHEELS", "REINSTALL", "BASE_PYTHON", "PACKAGE_INDEX", "TORCH_INDEX"),
        "OUTPUT_REPORT",
    },
}
OUTPUTS = {
    "searchimagery": {"HITS", "SUBREGIONS", "HIT_COUNT", "SUBREGION_COUNT", "TILES", "ENCODED", "FOUND_KEYWORDS"},
    "batchsearch": {"OUTPUT", "HITS", "SUBREGIONS", "SUMMARY", "HIT_COUNT", "RASTER_COUNT", "QUERY_COUNT"},
    "buildindex": {"RASTER_COUNT", "TILES", "ENCODED", "REUSED", "LEFT_OUT", "CACHE"},
    "enginestatus": {
        *("OUTPUT_HTML", "OUTPUT_JSON", "READY", "MESSAGE", "ENGINE", "DEFAULT_MODEL", "DEFAULT_DEVICE", "CACHE"),
    },
    "installengine": {"PYTHON", "FOLDER", "READY", "MESSAGE", "OUTPUT_REPORT"},
}


def check(algorithm: QgsProcessingAlgorithm, **values: object) -> str:
    """What is wrong with the values; empty where nothing is."""
    accepted, message = algorithm.create().checkParameterValues(values, QgsProcessingContext())
    assert accepted == (not message)
    return message


def test_the_provider_has_five_algorithms_with_frozen_names(provider: MpsClipProvider) -> None:
    assert provider.id() == "mpsclip"
    assert {algorithm.id() for algorithm in provider.algorithms()} == {f"mpsclip:{name}" for name in NAMES}
    for algorithm in provider.algorithms():
        name = algorithm.name()
        assert {one.name() for one in algorithm.parameterDefinitions()} == NAMES[name]
        assert {one.name() for one in algorithm.outputDefinitions()} == OUTPUTS[name]


def test_every_algorithm_and_parameter_explains_itself(provider: MpsClipProvider) -> None:
    page = (ROOT / "docs" / "processing.md").read_text(encoding="utf-8")
    headings = {line.strip("# ").replace(":", "") for line in page.splitlines() if line.startswith("## ")}
    assert not provider.icon().isNull()
    assert Path(provider.svgIconPath()).is_file()
    for algorithm in provider.algorithms():
        assert not algorithm.icon().isNull()
        assert algorithm.shortHelpString()
        assert "<b>" not in algorithm.shortHelpString()  # hardly to be read in QGIS's dark theme
        page, _, heading = algorithm.helpUrl().partition("#")
        assert page.startswith("https://") and page.endswith("/docs/processing.md")
        assert heading in headings
        assert algorithm.shortDescription()
        assert len(algorithm.tags()) > 5
        for parameter in algorithm.parameterDefinitions():
            assert parameter.help() or parameter.isDestination(), f"{algorithm.name()}: {parameter.name()}"


def test_every_parameter_and_output_is_documented(provider: MpsClipProvider) -> None:
    page = (ROOT / "docs" / "processing.md").read_text(encoding="utf-8")
    for algorithm in provider.algorithms():
        for one in [*algorithm.parameterDefinitions(), *algorithm.outputDefinitions()]:
            assert f"`{one.name()}`" in page, f"{algorithm.name()}: {one.name()}"


@pytest.mark.parametrize("text", ["", "auto", "224", "224px", "224 PX", "100m", "0.5 m", "12.5m"])
def test_tile_sizes_of_the_engine_are_accepted(text: str) -> None:
    assert check_tile_size(text) is None


@pytest.mark.parametrize("text", ["0", "0m", "big", "22.5px", "-5", "100 km"])
def test_other_tile_sizes_are_refused_with_what_to_write(text: str) -> None:
    assert "224px" in check_tile_size(text)


def test_bands() -> None:
    assert [check_bands(text) for text in ("", "1", "4, 3,2")] == [None] * 3
    assert all("4,3,2" in check_bands(text) for text in ("0", "1,2", "red", "1,2,3,4"))
    assert parse_bands("4, 3,2") == [4, 3, 2]
    assert parse_bands(" ") is None


def test_wrong_parameters_of_a_search_are_told(scene_raster: Path) -> None:
    search = SearchImagery()
    good = {"INPUT": str(scene_raster), "QUERY": "pond", "HITS": "memory:"}
    assert check(search, **good) == ""
    assert "query is empty" in check(search, **{**good, "QUERY": "  "})
    assert "“huge”" in check(search, **{**good, "TILE_SIZE": "huge"})
    assert "“1,2”" in check(search, **{**good, "BANDS": "1,2"})
    assert "SEGMENTER" in check(search, **{**good, "SEGMENTER": "scissors"})
    assert "INPUT" in check(search, **{**good, "INPUT": "/nowhere/ortho.tif"})
    assert "/nowhere/b.tif" in check(search, **{**good, "MORE_INPUTS": ["/nowhere/b.tif"]})


def test_a_layer_that_is_no_file_is_refused_with_the_remedy(qgis_app: QgsApplication) -> None:
    layer = QgsRasterLayer("type=xyz&url=http://localhost:1/{z}/{x}/{y}.png&zmin=0&zmax=3", "web map", "wms")
    assert layer.isValid()
    with pytest.raises(MpsClipError, match="web map is not a file") as caught:
        raster_file(layer)
    assert "GeoTIFF" in caught.value.remedy


def virtual_layer(scene_raster: Path) -> QgsRasterLayer:
    """The scene's first band as a layer that is computed and no file."""
    extent = QgsRasterLayer(str(scene_raster)).extent()
    corners = f"{extent.xMinimum()},{extent.yMinimum()},{extent.xMaximum()},{extent.yMaximum()}"
    layer = QgsRasterLayer(
        f'?crs=EPSG:32632&extent={corners}&width=1024&height=1024&formula="scene@1"'
        f"&scene:uri={scene_raster}&scene:provider=gdal",
        "computed",
        "virtualraster",
    )
    assert layer.isValid()
    return layer


def test_a_layer_that_is_no_file_is_rendered_for_the_area(scene_raster: Path) -> None:
    layer = virtual_layer(scene_raster)
    extent = layer.extent()
    extent.setXMaximum(extent.xMinimum() + 300)
    plan = plan_within_limit(layer, Area(QgsGeometry.fromRect(extent), layer.crs()), 1.0)
    feedback = Feedback()
    Rendering(plan).run(QgsProcessingContext(), feedback)
    # A metre on the ground is a little less than one of the projection here.
    assert feedback.texts == ["Rendering computed, 301 × 513 pixels"]
    picture = QgsRasterLayer(str(picture_file(plan)))
    assert (picture.width(), picture.height(), picture.crs().authid()) == (301, 513, "EPSG:32632")
    assert picture.extent().toString(3) == extent.toString(3)
    info = gdal.Info(str(picture_file(plan)), format="json")
    assert info["metadata"]["IMAGE_STRUCTURE"]["COMPRESSION"] == "DEFLATE"
    assert info["bands"][0]["block"] == [256, 256]
    Rendering(plan).run(QgsProcessingContext(), feedback)
    assert len(feedback.texts) == 1  # the same picture is not made again


def test_a_picture_has_its_name_only_when_it_is_whole(scene_raster: Path) -> None:
    plan = plan_within_limit(virtual_layer(scene_raster), None, 0.25)
    file = picture_file(plan)
    seen: list[tuple[bool, list[str]]] = []
    rendering = Rendering(plan)
    thread = threading.Thread(target=lambda: rendering.run(QgsProcessingContext(), QgsProcessingFeedback(False)))
    thread.start()
    while thread.is_alive():
        parts = [path.name for path in file.parent.glob("*.part")]
        if parts:
            seen.append((file.exists(), parts))
        time.sleep(0.01)
    assert seen and not seen[0][0]
    assert file.exists()
    assert list(file.parent.glob("*.part")) == []


def test_a_cancelled_rendering_leaves_no_picture(scene_raster: Path) -> None:
    plan = plan_within_limit(virtual_layer(scene_raster), None, 2.0)
    feedback = Feedback()
    feedback.cancel()
    Rendering(plan).run(QgsProcessingContext(), feedback)
    assert not picture_file(plan).exists()
    assert list(picture_file(plan).parent.glob("*.part*")) == []


def test_a_picture_beyond_the_limit_is_refused_with_the_remedy(scene_raster: Path) -> None:
    Settings().render_limit_pixels = 10_000
    with pytest.raises(MpsClipError, match="1024 × 1024 pixels; 10000 are allowed") as caught:
        plan_within_limit(virtual_layer(scene_raster), None, None)
    assert "smaller extent" in caught.value.remedy


def test_queries_come_from_lines_lists_and_files_each_once(tmp_path: Path) -> None:
    text = tmp_path / "queries.txt"
    text.write_text("a pond\n\n a bridge \n", encoding="utf-8")
    table = tmp_path / "queries.CSV"
    table.write_bytes('\ufeffid;Query;note\n1;tennis courts;x\n2;"a; b";\n3;;\n'.encode())
    assert collect_queries(["a ship\na pond"], str(text)) == ["a ship", "a pond", "a bridge"]
    assert collect_queries(["one", "two", "one"], "") == ["one", "two"]
    assert collect_queries([], str(table)) == ["tennis courts", "a; b"]


def test_a_csv_of_one_column_needs_no_delimiter(tmp_path: Path) -> None:
    file = tmp_path / "queries.csv"
    file.write_text("query\nboats in a harbour\n", encoding="utf-8")
    assert collect_queries([], str(file)) == ["boats in a harbour"]


def test_query_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "queries.csv"
    file.write_text("id,words\n1,pond\n", encoding="utf-8")
    with pytest.raises(MpsClipError, match="no column “query”; it has: id, words"):
        collect_queries([], str(file))
    file.write_bytes("query\nl\xe9gume\n".encode("latin-1"))
    with pytest.raises(MpsClipError, match="UTF-8"):
        collect_queries([], str(file))
    with pytest.raises(MpsClipError, match="cannot be read"):
        collect_queries([], str(tmp_path / "none.txt"))
    with pytest.raises(MpsClipError, match="There is no query"):
        collect_queries(["", " \n"], "")


def test_a_folder_gives_its_rasters_and_warns_of_broken_ones(scene_raster: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.tif", "a.TIF", "deep/c.tif"):
        shutil.copyfile(scene_raster, tmp_path / name)
    (tmp_path / "broken.tif").write_bytes(b"II*\0nothing")
    (tmp_path / "notes.txt").write_text("no raster")
    warnings: list[str] = []

    def names(recursive: bool) -> list[str]:
        found = layers_in(str(tmp_path), "*.tif; *.vrt", recursive, warnings.append, lambda: False)
        return [layer.name() for layer in found]

    assert names(False) == ["a.TIF", "b.tif"]
    assert len(warnings) == 1 and "broken.tif" in warnings[0]
    assert names(True) == ["a.TIF", "b.tif", "c.tif"]


def test_a_folder_without_such_files_is_refused(tmp_path: Path) -> None:
    for folder, words in ((tmp_path, "no file of the pattern"), (tmp_path / "none", "does not exist")):
        with pytest.raises(MpsClipError, match=words):
            list(layers_in(str(folder), "*.tif", False, pytest.fail, lambda: False))


def raster(crs: QgsCoordinateReferenceSystem, name: str = "a") -> RasterFile:
    return RasterFile(f"/{name}.tif", f"/{name}.tif", name, crs)


def test_results_come_in_the_common_crs_else_in_degrees() -> None:
    assert result_crs([raster(UTM)], NOWHERE) == UTM
    assert result_crs([raster(UTM), raster(UTM, "b")], NOWHERE) == UTM
    assert result_crs([raster(UTM), raster(WGS84, "b")], NOWHERE) == WGS84
    assert result_crs([raster(UTM)], WGS84) == WGS84
    assert not result_crs([raster(NOWHERE), raster(NOWHERE, "b")], NOWHERE).isValid()


def test_rasters_without_a_crs_cannot_be_put_on_a_map_with_others() -> None:
    for rasters, chosen in (([raster(UTM), raster(NOWHERE, "b")], NOWHERE), ([raster(NOWHERE, "b")], WGS84)):
        with pytest.raises(MpsClipError, match="b has no CRS"):
            result_crs(rasters, chosen)


def test_a_crs_that_the_user_gave_a_layer_reaches_the_engine(scene_layer: QgsRasterLayer) -> None:
    plain = raster_file(scene_layer)
    assert plain.path == plain.origin == scene_layer.source()
    scene_layer.setCrs(QgsCoordinateReferenceSystem("EPSG:25832"))
    assigned = raster_file(scene_layer)
    assert assigned.origin == plain.path
    assert assigned.crs.authid() == "EPSG:25832"
    assert QgsRasterLayer(assigned.path, "").crs().authid() == "EPSG:25832"


def polygons(*wkts: str) -> QgsVectorLayer:
    layer = QgsVectorLayer("Polygon?crs=EPSG:32632", "areas", "memory")
    for wkt in wkts:
        feature = QgsFeature()
        feature.setGeometry(QgsGeometry.fromWkt(wkt))
        assert layer.dataProvider().addFeature(feature)
    return layer


def area(crs: QgsCoordinateReferenceSystem, **values: object) -> tuple[QgsGeometry, str | None] | None:
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    algorithm = SearchImagery().create()
    found = area_params(area_of(algorithm, values, context, crs))
    return (QgsGeometry.fromWkt(found["wkt"]), found["crs"]) if found else None


SQUARE = "POLYGON((500000 5000000, 500100 5000000, 500100 5000100, 500000 5000100, 500000 5000000))"
FARTHER = "POLYGON((500200 5000000, 500300 5000000, 500300 5000100, 500200 5000100, 500200 5000000))"


def test_no_extent_and_no_areas_mean_everywhere() -> None:
    assert area(UTM) is None


def test_an_extent_is_in_the_rasters_crs_unless_it_has_its_own() -> None:
    geometry, crs = area(UTM, EXTENT="500000,500100,5000000,5000100")
    assert crs == "EPSG:32632"
    assert geometry.equals(QgsGeometry.fromWkt(SQUARE))
    geometry, crs = area(WGS84, EXTENT="500000,500100,5000000,5000100 [EPSG:32632]")
    assert crs == "EPSG:4326"
    assert geometry.boundingBox().center().x() == pytest.approx(9.0, abs=1e-3)
    geometry, crs = area(NOWHERE, EXTENT="0,100,-100,0")
    assert crs is None
    assert geometry.area() == pytest.approx(10_000)


def test_areas_are_united_and_cut_by_the_extent() -> None:
    layer = polygons(SQUARE, FARTHER)
    geometry, _ = area(UTM, AREA=layer)
    assert geometry.area() == pytest.approx(20_000)
    geometry, _ = area(UTM, AREA=layer, EXTENT="500050,500250,5000000,5000050")
    assert geometry.area() == pytest.approx(5_000)
    geometry, _ = area(WGS84, AREA=layer)
    assert geometry.boundingBox().xMinimum() == pytest.approx(9.0, abs=1e-9)
    with pytest.raises(MpsClipError, match="no polygon, or none within the extent"):
        area(UTM, AREA=layer, EXTENT="0,1,0,1")


class Feedback(QgsProcessingFeedback):
    """Keeps what a dialog would show."""

    def __init__(self) -> None:
        super().__init__()
        self.percents: list[float] = []
        self.texts: list[str] = []
        self.progressChanged.connect(self.percents.append)

    def setProgressText(self, text: str) -> None:
        self.texts.append(text)


def test_what_the_engine_has_to_say_is_in_the_log_with_its_level() -> None:
    class Log(QgsProcessingFeedback):
        def __init__(self) -> None:
            super().__init__(False)
            self.said: list[tuple] = []

        def pushInfo(self, text: str) -> None:
            self.said.append(("info", text))

        def pushDebugInfo(self, text: str) -> None:
            self.said.append(("debug", text))

        def pushWarning(self, text: str) -> None:
            self.said.append(("warning", text))

        def reportError(self, text: str, fatalError: bool = False) -> None:
            self.said.append(("error", text, fatalError))

    log = Log()
    reporter = ProgressReporter(log)
    for level in ("debug", "info", "warning", "error", "critical"):
        reporter.log(level, f"of {level}")
    assert log.said == [
        ("debug", "of debug"),
        ("info", "of info"),
        ("warning", "of warning"),
        ("error", "of error", False),
        ("info", "of critical"),
    ]


def test_progress_never_goes_back_and_each_stage_is_named_once() -> None:
    feedback = Feedback()
    reporter = ProgressReporter(feedback, rasters=2, queries=2)

    def stage(name: str, total: int, detail: str = "") -> float:
        for done in range(total + 1):
            params = {"stage": name, "done": done, "total": total, "detail": detail, "rate": 3.0, "remaining": 2.0}
            reporter.progress(params)
        return feedback.percents[-1]

    assert stage("load", 1, "model") == pytest.approx(2)
    assert stage("index", 100, "a.tif") == pytest.approx(31)
    assert stage("index", 100, "b.tif") == pytest.approx(60)
    assert stage("rank", 2) < stage("refine", 8) == pytest.approx(77.5)
    assert stage("rank", 2) < stage("refine", 8) == pytest.approx(95)
    assert stage("write", 1) == pytest.approx(98)
    assert feedback.percents == sorted(feedback.percents)
    assert len(feedback.texts) == 7
    assert feedback.texts[1] == "Encoding tiles, 0 of 100, 3.0 a second, 2 s left, a.tif"
